// Takes files of sound, by dropping or choosing, and sends each by itself, showing how far it is.

import { upload } from '../js/api.js';
import { h } from '../js/dom.js';
import { t } from '../js/strings.js';

const ACCEPT = 'audio/*,video/*,.wav,.mp3,.m4a,.flac,.ogg,.opus,.webm,.mp4';

const MEBIBYTE = 1 << 20;

/** Events: `taken` (detail: what was made of it) when a file lies at the server whole; `refused` (detail: the error). */
class DropFiles extends HTMLElement {
  /** How one is sent: by default into a transcript of its own. Resolves to what was made of it. */
  send = upload;

  #formats = h('span', { class: 'muted', text: t('drop.formats') });
  #maxMb = Infinity;
  #list = h('ul', { class: 'sending', 'aria-live': 'polite' });

  connectedCallback() {
    if (this.hasChildNodes()) return;
    const input = h('input', { type: 'file', id: 'files', multiple: true, accept: ACCEPT, class: 'visually-hidden' });
    input.addEventListener('change', () => {
      this.#take(input.files);
      input.value = '';
    });
    this.append(
      input,
      h('div', { class: 'drop' },
        h('span', { text: t('drop.what') }), ' ',
        h('label', { for: 'files', class: 'button', text: t('drop.choose') }),
        this.#formats),
      this.#list,
    );
    this.#catchDrops();
  }

  /** The largest file that the server takes. */
  set maxMb(value) {
    this.#maxMb = value;
    this.#formats.textContent = t('drop.formats.max', { max: value });
  }

  /** The whole page takes drops: a file that misses the box must not open in the browser instead. */
  #catchDrops() {
    let depth = 0;
    const hover = (change) => {
      depth = Math.max(0, depth + change);
      this.classList.toggle('hover', depth > 0);
    };
    addEventListener('dragenter', () => hover(1));
    addEventListener('dragleave', () => hover(-1));
    addEventListener('dragover', (event) => event.preventDefault());
    addEventListener('drop', (event) => {
      event.preventDefault();
      hover(-depth);
      this.#take(event.dataTransfer.files);
    });
  }

  /** One after another: two halves of an upload help nobody. */
  async #take(files) {
    for (const file of [...files]) await this.#send(file);
  }

  async #send(file) {
    const { name } = file;
    const row = h('li', {});
    const say = (key, values, percent = null) =>
      row.replaceChildren(
        h('span', { text: t(key, { name, ...values }) }),
        ...(percent === null ? [] : [h('progress', { max: 100, value: percent, 'aria-label': name })]),
      );
    this.#list.append(row);
    if (file.size > this.#maxMb * MEBIBYTE) {
      row.classList.add('failed');
      say('drop.large', { max: this.#maxMb });
      return;
    }
    say('drop.sending', { percent: 0 }, 0);
    try {
      const made = await this.send(file, (part) => say('drop.sending', { percent: Math.floor(part * 100) }, part * 100));
      say('drop.sent');
      this.dispatchEvent(new CustomEvent('taken', { detail: made }));
      setTimeout(() => row.remove(), 8000);
    } catch (error) {
      row.classList.add('failed');
      say('drop.failed', { message: error.message });
      this.dispatchEvent(new CustomEvent('refused', { detail: error }));
    }
  }
}

customElements.define('drop-files', DropFiles);

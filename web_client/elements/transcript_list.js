// The transcripts there are: name, time, length, state; each a link, each can be deleted.

import { deleteTranscript, listTranscripts } from '../js/api.js';
import { h, show } from '../js/dom.js';
import { clock, when } from '../js/format.js';
import { t } from '../js/strings.js';
import { titleOf } from '../js/transcript_title.js';

const PAGE = 50;
const BUSY = new Set(['recording', 'processing', 'paused']);
const REFRESH_MS = 3000; // while something is being recorded or written down

/** Events: `problem` (detail: the error). */
class TranscriptList extends HTMLElement {
  #filter = h('input', { type: 'search', 'aria-label': t('library.filter'), placeholder: t('library.filter') });
  #rows = h('ul', { class: 'rows' });
  #none = h('p', { class: 'muted' });
  #more = h('button', { type: 'button', text: t('library.more'), onclick: () => this.#load(this.#pages + 1) });
  #items = new Map(); // id -> transcript, in the server's order
  #pages = 1;
  #total = 0;
  #timer = 0;

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.#filter.addEventListener('input', () => this.render());
    this.append(this.#filter, this.#rows, this.#none, show(this.#more, false));
    addEventListener('keydown', (event) => {
      if (event.key !== '/' || event.target.matches('input, textarea')) return;
      event.preventDefault();
      this.#filter.focus();
    });
    if (!this.hasAttribute('story')) this.refresh();
  }

  async refresh() {
    await this.#load(1);
  }

  async #load(page) {
    clearTimeout(this.#timer);
    try {
      const answer = await listTranscripts(page, PAGE);
      if (page === 1) this.#items = new Map(answer.items.map((item) => [item.id, item]));
      else for (const item of answer.items) this.#items.set(item.id, item);
      this.#pages = page;
      this.#total = answer.total;
    } catch (error) {
      this.dispatchEvent(new CustomEvent('problem', { detail: error }));
      return;
    }
    this.render();
    const busy = [...this.#items.values()].some((item) => BUSY.has(item.data.state));
    if (busy && this.#pages === 1) this.#timer = setTimeout(() => this.isConnected && this.refresh(), REFRESH_MS);
  }

  /** For the story page. */
  set items(items) {
    this.#items = new Map(items.map((item) => [item.id, item]));
    this.#total = items.length;
    this.render();
  }

  render() {
    const wanted = this.#filter.value.trim().toLowerCase();
    const items = [...this.#items.values()].filter((item) => titleOf(item).toLowerCase().includes(wanted));
    const focused = document.activeElement?.closest('li')?.dataset.id;
    this.#rows.replaceChildren(...items.map((item) => this.#row(item)));
    if (focused) this.#rows.querySelector(`[data-id="${CSS.escape(focused)}"] a`)?.focus();
    this.#none.textContent = items.length ? '' : t(this.#items.size ? 'library.none' : 'library.empty');
    show(this.#filter, this.#items.size > 5 || wanted !== '');
    show(this.#more, this.#items.size < this.#total);
  }

  #row(item) {
    const name = titleOf(item);
    const { state, duration = 0, words = 0 } = item.data;
    return h('li', { 'data-id': item.id },
      h('a', { href: `/t/${encodeURIComponent(item.id)}`, class: 'row-link' },
        h('span', { class: 'row-name', dir: 'auto', text: name }),
        h('span', { class: 'row-facts' },
          h('time', { datetime: item.created_at, text: when(item.created_at) }),
          h('span', { text: clock(duration) }),
          h('span', { text: t('library.words', { count: words }) }),
          h('span', { class: 'row-state', 'data-state': state, text: t(`status.${state}`) }))),
      h('button', {
        class: 'quiet', type: 'button', text: t('library.delete'), 'aria-label': t('library.delete.what', { name }),
        onclick: () => this.#delete(item.id, name),
      }));
  }

  async #delete(id, name) {
    if (!confirm(t('library.delete.sure', { name }))) return;
    try {
      await deleteTranscript(id);
      this.#items.delete(id);
      this.#total -= 1;
      this.render();
    } catch (error) {
      this.dispatchEvent(new CustomEvent('problem', { detail: error }));
    }
  }
}

customElements.define('transcript-list', TranscriptList);

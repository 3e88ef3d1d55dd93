// Who may read a transcript, whether it stays as it is, and whether its sound is kept.

import './copy_link.js';
import { h, show } from '../js/dom.js';
import { t } from '../js/strings.js';

const MODES = ['private', 'semi-private', 'public'];

/** Events: `change-to` (detail: the fields to change), `delete-sound`. */
class ShareChoice extends HTMLElement {
  #copy = document.createElement('copy-link');
  #locked = h('input', { type: 'checkbox', id: 'locked', 'aria-describedby': 'locked-what' });
  #sound = h('button', { type: 'button', class: 'quiet', text: t('share.sound.delete') });
  #said = h('p', { class: 'muted hint', role: 'status' });
  #radios = MODES.map((mode) => h('input', { type: 'radio', name: 'share-mode', value: mode, id: `share-${mode}`, 'aria-describedby': `share-${mode}-what` }));

  connectedCallback() {
    if (this.hasChildNodes()) return;
    for (const radio of this.#radios) radio.addEventListener('change', () => this.#tell({ share_mode: radio.value }));
    this.#locked.addEventListener('change', () => this.#tell({ locked: this.#locked.checked }));
    this.#sound.addEventListener('click', () => this.dispatchEvent(new CustomEvent('delete-sound')));
    const choice = (input, key) => h('div', { class: 'choice' }, input,
      h('div', {}, h('label', { for: input.id, text: t(key) }), h('p', { class: 'muted', id: `${input.id}-what`, text: t(`${key}.what`) })));
    this.append(
      h('fieldset', {}, h('legend', { text: t('share.who') }), ...this.#radios.map((radio) => choice(radio, `share.${radio.value}`))),
      h('div', { class: 'row' }, this.#copy, this.#said),
      h('fieldset', {}, h('legend', { text: t('share.keep') }), choice(this.#locked, 'share.locked'), h('div', { class: 'row' }, this.#sound)));
  }

  #tell(fields) {
    this.#said.textContent = '';
    this.dispatchEvent(new CustomEvent('change-to', { detail: fields }));
  }

  /** What the server says it is now. */
  show(transcript, { audible }) {
    this.#copy.path = `/t/${encodeURIComponent(transcript.id)}`;
    for (const radio of this.#radios) radio.checked = radio.value === transcript.share_mode;
    this.#locked.checked = Boolean(transcript.locked);
    show(this.#sound, audible);
    this.#sound.disabled = this.#locked.checked;
  }

  /** It was changed as wished. */
  saved() {
    this.#said.textContent = t('share.saved');
  }
}

customElements.define('share-choice', ShareChoice);

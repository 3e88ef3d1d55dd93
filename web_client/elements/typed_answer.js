// Something that is written instead of said.

import { h } from '../js/dom.js';
import { t } from '../js/strings.js';

/** Events: `typed` (detail: the text). `clear()` when it is kept. */
class TypedAnswer extends HTMLElement {
  #text = h('textarea', { id: 'typed-text', name: 'typed', maxlength: 20_000, rows: 3, dir: 'auto' });

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.append(h('form', { class: 'typed', onsubmit: (event) => this.#submit(event) },
      h('label', { for: 'typed-text', text: t('portal.typed') }), this.#text,
      h('div', { class: 'row' }, h('button', { text: t('portal.typed.send') }))));
  }

  #submit(event) {
    event.preventDefault();
    const text = this.#text.value.trim();
    if (text) this.dispatchEvent(new CustomEvent('typed', { detail: text }));
    else this.#text.focus();
  }

  clear() {
    this.#text.value = '';
  }
}

customElements.define('typed-answer', TypedAnswer);

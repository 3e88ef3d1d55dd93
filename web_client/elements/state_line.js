// What is going on, always visible and always in words. Screen readers hear changes of the sentence, not of the figures.

import { h } from '../js/dom.js';

class StateLine extends HTMLElement {
  #text = h('span', { class: 'state-text', role: 'status' });
  #detail = h('span', { class: 'state-detail' });

  connectedCallback() {
    if (!this.hasChildNodes()) {
      this.append(h('span', { class: 'state-dot', 'aria-hidden': 'true' }), this.#text, this.#detail);
    }
  }

  /** `{tone, text, detail}` from stateWords. */
  show({ tone, text, detail = '' }) {
    this.dataset.tone = tone;
    if (this.#text.textContent !== text) this.#text.textContent = text;
    if (this.#detail.textContent !== detail) this.#detail.textContent = detail;
  }
}

customElements.define('state-line', StateLine);

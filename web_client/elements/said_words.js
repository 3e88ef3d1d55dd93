// What was said in a conversation, one paragraph for each chunk. New ones are read out.

import { h } from '../js/dom.js';
import { t } from '../js/strings.js';

class SaidWords extends HTMLElement {
  #shown = new Map(); // chunk id -> its element
  #list = h('ol', { class: 'said', role: 'log', 'aria-live': 'polite', 'aria-label': t('words') });

  connectedCallback() {
    if (!this.hasChildNodes()) this.append(this.#list);
  }

  get empty() {
    return this.#shown.size === 0;
  }

  /** Chunks as the server lists them, in the order of what was said. Of one that is being written down, words come one after the other. */
  show(chunks) {
    const told = chunks.filter((chunk) => chunk.transcript);
    const there = new Set(told.map((chunk) => chunk.id));
    for (const [id, element] of this.#shown) {
      if (there.has(id)) continue; // else it was taken back
      element.remove();
      this.#shown.delete(id);
    }
    let before = null;
    for (const chunk of told.reverse()) {
      if (!this.#shown.has(chunk.id)) {
        const isTyped = chunk.path === null;
        const element = h('li', { class: isTyped && 'written' },
          h('p', { dir: 'auto' }), isTyped ? h('span', { class: 'mark', text: t('portal.typed.mark') }) : null);
        this.#shown.set(chunk.id, element);
        this.#list.insertBefore(element, before);
      }
      const element = this.#shown.get(chunk.id);
      if (element.firstChild.textContent !== chunk.transcript) element.firstChild.textContent = chunk.transcript;
      before = element;
    }
  }
}

customElements.define('said-words', SaidWords);

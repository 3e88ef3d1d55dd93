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

  /** Chunks as the server lists them, in the order of what was said. One that has words keeps them. */
  show(chunks) {
    const told = chunks.filter((chunk) => chunk.transcript);
    let before = null;
    for (const chunk of [...told].reverse()) {
      if (!this.#shown.has(chunk.id)) {
        const isTyped = chunk.path === null;
        const element = h('li', { class: isTyped && 'written' },
          h('p', { text: chunk.transcript, dir: 'auto' }), isTyped ? h('span', { class: 'mark', text: t('portal.typed.mark') }) : null);
        this.#shown.set(chunk.id, element);
        this.#list.insertBefore(element, before);
      }
      before = this.#shown.get(chunk.id);
    }
  }
}

customElements.define('said-words', SaidWords);

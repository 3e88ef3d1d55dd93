// How much of a conversation has arrived at the server, in words; and as a bar where somebody waits for it.

import { h, show } from '../js/dom.js';
import { tryingAgain } from '../js/state_words.js';
import { t } from '../js/strings.js';

class SendingProgress extends HTMLElement {
  #text = h('p', { class: 'sending-text' });
  #bar = h('progress', { 'aria-label': t('portal.progress') });

  connectedCallback() {
    if (!this.hasChildNodes()) this.append(this.#text, this.#bar);
  }

  /** `sender`: a ChunkSender or the like of it. `bar`: somebody waits. */
  show({ state = 'idle', waiting: count = 0, confirmed = 0, retryInS = null }, { bar = false } = {}) {
    const lost = state === 'waiting' || state === 'stopped';
    this.dataset.tone = lost ? 'warn' : 'calm';
    const text = this.#sentence(state, count, confirmed, retryInS);
    if (this.#text.textContent !== text) this.#text.textContent = text;
    show(this.#bar, bar && count > 0);
    this.#bar.max = confirmed + count || 1;
    this.#bar.value = confirmed;
  }

  #sentence(state, count, confirmed, retryInS) {
    if (state === 'waiting') return t('portal.sending.waiting', { count, again: tryingAgain(retryInS) });
    if (state === 'stopped') return t('portal.sending.stopped', { count });
    if (count) return t('portal.sending', { count, confirmed });
    return confirmed ? t('portal.sending.idle') : '';
  }
}

customElements.define('sending-progress', SendingProgress);

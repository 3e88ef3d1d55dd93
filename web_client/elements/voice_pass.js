// Voices told apart again, by all that was heard: asked for, waited for, and what came of it.

import './speaker_count.js';
import '../js/speakers_strings.js';
import { h } from '../js/dom.js';
import { clock } from '../js/format.js';
import { t } from '../js/strings.js';

/** Events: `tell-apart` (detail: what is known of how many speak, as of `speaker-count`). Then `begin`, and `end`. */
class VoicePass extends HTMLElement {
  #count = document.createElement('speaker-count');
  #button = h('button', { type: 'button', text: t('pass.do'), onclick: () => this.#ask() });
  #told = h('p', { class: 'muted pass-told', role: 'status' });
  #time = h('span', { class: 'muted pass-time', 'aria-hidden': 'true' });
  #timer = 0;
  #isKnown = false;

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.append(
      h('h3', { text: t('pass.title') }),
      h('div', { class: 'row' }, this.#count, this.#button),
      h('p', { class: 'muted hint', text: t('pass.hint') }),
      h('div', { class: 'pass-state' }, this.#told, this.#time));
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
  }

  /** What was said of how many speak; the reader's own choice stays. */
  set known(value) {
    if (this.#isKnown) return;
    this.#isKnown = true;
    this.#count.known = value;
  }

  #ask() {
    if (!this.#timer) this.dispatchEvent(new CustomEvent('tell-apart', { detail: this.#count.known }));
  }

  begin() {
    const began = performance.now();
    this.#button.setAttribute('aria-disabled', 'true'); // it keeps the focus
    this.#told.textContent = t('pass.running');
    const tick = () => (this.#time.textContent = clock((performance.now() - began) / 1000));
    tick();
    this.#timer = setInterval(tick, 1000);
  }

  /** `done`: as the server answered; null where it is said elsewhere what went wrong. */
  end(done) {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#button.removeAttribute('aria-disabled');
    this.#time.textContent = '';
    const key = done?.segments ? 'pass.done' : 'pass.same';
    this.#told.textContent = done ? t(key, done) : '';
  }
}

customElements.define('voice-pass', VoicePass);

// A row of bars that shows that sound arrives. For eyes only: the state line says the same in words.

import { h } from '../js/dom.js';

const BARS = 24;
const FLOOR_DB = -54;

class LevelMeter extends HTMLElement {
  #bars = [];
  #levels = new Array(BARS).fill(0);

  connectedCallback() {
    this.setAttribute('aria-hidden', 'true');
    this.#bars = Array.from({ length: BARS }, () => h('i'));
    this.replaceChildren(...this.#bars);
    this.#draw();
  }

  /** The newest peak level in dB below full scale; older ones move to the left. */
  push(db) {
    this.#levels.shift();
    this.#levels.push(Math.max(0, Math.min(1, 1 - db / FLOOR_DB)));
    this.#draw();
  }

  reset() {
    this.#levels.fill(0);
    this.#draw();
  }

  #draw() {
    this.#bars.forEach((bar, i) => bar.style.setProperty('--level', this.#levels[i].toFixed(3)));
  }
}

customElements.define('level-meter', LevelMeter);

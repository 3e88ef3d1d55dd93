// Asks again and again, but never a server that is slow more often than it can answer, and nobody while nobody looks.

import { delayS } from './backoff.js';

const SHARE = 10; // of the time between two questions, at most a tenth is the answer's

export class Polling {
  #ask;
  #everyMs;
  #timer = 0;
  #running = false;
  #abort = null;
  #failed = 0;

  /** `ask(signal)` is called with nothing else under way; `everyMs()` says how long to wait after it, 0: not again. */
  constructor(ask, everyMs) {
    this.#ask = ask;
    this.#everyMs = everyMs;
  }

  #seen = () => (document.visibilityState === 'visible' ? this.now() : this.#pause());

  start() {
    if (this.#running) return;
    this.#running = true;
    document.addEventListener('visibilitychange', this.#seen);
    this.now();
  }

  stop() {
    this.#running = false;
    document.removeEventListener('visibilitychange', this.#seen);
    this.#pause();
  }

  #pause() {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = null;
  }

  /** At once; what is under way is given up. */
  async now() {
    if (!this.#running) return;
    this.#pause();
    const abort = new AbortController();
    this.#abort = abort;
    const began = performance.now();
    try {
      await this.#ask(abort.signal);
      this.#failed = 0;
    } catch {
      this.#failed += 1; // whoever asks tells what went wrong
    }
    if (this.#abort !== abort) return;
    const took = performance.now() - began;
    const every = this.#everyMs();
    const wait = this.#failed ? delayS(this.#failed) * 1000 : every && Math.max(every, took * SHARE);
    if (wait && document.visibilityState === 'visible') this.#timer = setTimeout(() => this.now(), wait);
  }
}

// Keeps the screen on while something is recorded: a phone that sleeps hears nothing.

export class WakeLock {
  #held = null;
  #wanted = false;

  constructor() {
    document.addEventListener('visibilitychange', () => this.#take()); // browsers let go of it while a page is hidden
  }

  set wanted(value) {
    if (value === this.#wanted) return;
    this.#wanted = value;
    if (value) this.#take();
    else this.#release();
  }

  async #take() {
    if (!this.#wanted || document.visibilityState !== 'visible' || !navigator.wakeLock) return;
    try {
      const lock = await navigator.wakeLock.request('screen');
      if (!this.#wanted) return await lock.release();
      this.#held = lock;
    } catch {
      // The battery is low, or the browser does not want to: the sound is kept all the same.
    }
  }

  #release() {
    this.#held?.release().catch(() => {});
    this.#held = null;
  }
}

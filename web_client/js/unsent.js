// Sound that the server has not acknowledged yet, by position. Bounded: the oldest goes first, and becomes silence.

export class Unsent {
  start = 0; // position of the first sample kept
  end = 0; // position after the newest sample
  lost = 0; // samples given up because the bound was reached

  #blocks = []; // Int16Array each, in order, together start..end
  #max;

  constructor(maxSamples) {
    this.#max = maxSamples;
  }

  get length() {
    return this.end - this.start;
  }

  append(samples) {
    this.#blocks.push(samples);
    this.end += samples.length;
    while (this.length > this.#max && this.#blocks.length > 1) {
      const oldest = this.#blocks.shift();
      this.start += oldest.length;
      this.lost += oldest.length;
    }
  }

  /** Everything before `position` is durable at the server. */
  acknowledge(position) {
    while (this.#blocks.length && this.start + this.#blocks[0].length <= position) {
      this.start += this.#blocks.shift().length;
    }
  }

  /** Positions are counted from `position` instead of 0; only before the first sample. */
  startAt(position) {
    this.start = position;
    this.end = position;
  }

  /** At most `max` samples from `position` on; empty at the end. What was given up comes as silence, so time stays right. */
  read(position, max) {
    if (position < this.start) return new Int16Array(Math.min(max, this.start - position));
    let at = this.start;
    for (const block of this.#blocks) {
      if (position < at + block.length) return block.subarray(position - at, position - at + max);
      at += block.length;
    }
    return new Int16Array(0);
  }
}

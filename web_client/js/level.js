// How loud a stream is now, and whether it has been silent for suspiciously long.

const QUIET_DB = -60; // a muted microphone gives digital silence; a quiet room is 10 dB or more above this
const SUSPICIOUS_MS = 4000; // people pause for a breath or a thought, rarely longer before they have said anything

/** Peak level of samples in -1..1, in dB below full scale; -100 for digital silence. */
export function peakDb(samples) {
  let peak = 0;
  for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  return peak > 0 ? Math.max(-100, 20 * Math.log10(peak)) : -100;
}

/** Calls `onLevel({db, silent})` about 15 times a second until `close()`. */
export class Level {
  #context;
  #analyser;
  #source;
  #timer;
  #buffer;
  #loudAt = performance.now();

  constructor(stream, onLevel) {
    this.#context = new AudioContext();
    this.#source = this.#context.createMediaStreamSource(stream);
    this.#analyser = new AnalyserNode(this.#context, { fftSize: 2048 });
    this.#buffer = new Float32Array(this.#analyser.fftSize);
    this.#source.connect(this.#analyser);
    this.#timer = setInterval(() => onLevel(this.#measure()), 66);
  }

  #measure() {
    this.#analyser.getFloatTimeDomainData(this.#buffer);
    const db = peakDb(this.#buffer);
    const now = performance.now();
    if (db > QUIET_DB) this.#loudAt = now;
    return { db, silent: now - this.#loudAt > SUSPICIOUS_MS };
  }

  close() {
    clearInterval(this.#timer);
    this.#source.disconnect();
    this.#context.close();
  }
}

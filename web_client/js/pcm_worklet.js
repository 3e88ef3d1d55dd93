// Runs on the audio thread: gathers what the microphone gives into frames of 100 ms, 16-bit, one channel.

class PcmFrames extends AudioWorkletProcessor {
  #frame = new Int16Array(Math.round(sampleRate / 10));
  #filled = 0;
  #done = false;

  constructor() {
    super();
    this.port.onmessage = () => {
      this.#send();
      this.#done = true;
      this.port.postMessage(null); // everything heard so far has been handed over
    };
  }

  #send() {
    if (!this.#filled) return;
    const frame = this.#frame.slice(0, this.#filled);
    this.#filled = 0;
    this.port.postMessage(frame, [frame.buffer]);
  }

  process([channels]) {
    const input = channels[0];
    const count = input?.length ?? 0;
    for (let i = 0; i < count; i += 1) {
      const value = Math.max(-1, Math.min(1, input[i]));
      this.#frame[this.#filled++] = Math.round(value * 32767);
      if (this.#filled === this.#frame.length) this.#send();
    }
    return !this.#done;
  }
}

registerProcessor('pcm-frames', PcmFrames);

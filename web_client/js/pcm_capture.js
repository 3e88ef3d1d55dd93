// A stream's sound as 16-bit frames of 100 ms, through an AudioWorklet.

const WANTED_RATE_HZ = 16_000;

export class PcmCapture {
  #context;
  #source;
  #node = null;

  /** Fetch and set up everything, so that `start` works without a server; silent until then. */
  static async prepare(stream) {
    const capture = new PcmCapture();
    await capture.#prepare(stream);
    return capture;
  }

  get sampleRate() {
    return this.#context.sampleRate;
  }

  async #prepare(stream) {
    try {
      this.#context = new AudioContext({ sampleRate: WANTED_RATE_HZ });
      this.#source = this.#context.createMediaStreamSource(stream);
    } catch {
      // Firefox connects a stream only to a context of the stream's own rate; the server takes that rate as well.
      await this.#context?.close();
      this.#context = new AudioContext();
      this.#source = this.#context.createMediaStreamSource(stream);
    }
    await this.#context.audioWorklet.addModule(new URL('./pcm_worklet.js', import.meta.url));
    await this.#context.suspend();
  }

  /** `onFrame` gets Int16Array frames at `sampleRate` from now on. */
  async start(onFrame) {
    this.#node = new AudioWorkletNode(this.#context, 'pcm-frames', {
      numberOfInputs: 1,
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: 'explicit',
    });
    this.#node.port.onmessage = (event) => event.data && onFrame(event.data);
    this.#source.connect(this.#node);
    await this.#context.resume();
  }

  /** Hand over what is left of the last frame, then end. */
  async close() {
    if (this.#context.state === 'closed') return;
    if (this.#node) await this.#flush();
    this.#source.disconnect();
    await this.#context.close();
  }

  async #flush() {
    const flushed = new Promise((resolve) => {
      const give = this.#node.port.onmessage;
      this.#node.port.onmessage = (event) => (event.data ? give(event) : resolve());
      setTimeout(resolve, 500); // the audio thread may be gone already
    });
    this.#node.port.postMessage('flush');
    await flushed;
  }
}

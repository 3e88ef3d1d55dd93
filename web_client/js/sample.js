// The spoken sample as a stream, as if it were a microphone.

const SAMPLE = new URL('../sample/conversation.flac', import.meta.url);
const TAIL_S = 1.2; // silence after the last word, so that its utterance ends by itself

export class Sample {
  stream;
  ended; // resolves when the last word and the silence after it have been played

  #context;
  #source;

  /** Load and decode; nothing sounds yet. `audible` plays it on the loudspeaker too. Raises when it cannot be fetched. */
  static async open({ audible }) {
    const sample = new Sample();
    const response = await fetch(SAMPLE);
    if (!response.ok) throw new Error(`sample: HTTP ${response.status}`);
    const context = new AudioContext();
    sample.#context = context;
    sample.#source = new AudioBufferSourceNode(context, {
      buffer: await context.decodeAudioData(await response.arrayBuffer()),
    });
    const microphone = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
    sample.#source.connect(microphone);
    if (audible) sample.#source.connect(context.destination);
    sample.stream = microphone.stream;
    return sample;
  }

  async play() {
    await this.#context.resume();
    this.ended = new Promise((resolve) => {
      this.#source.onended = () => setTimeout(resolve, TAIL_S * 1000);
    });
    this.#source.start();
  }

  close() {
    if (this.#context.state !== 'closed') this.#context.close();
  }
}

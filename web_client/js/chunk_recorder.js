// Records a stream as one whole file after the other, without losing anything between them.

// What servers understand, best first; each browser has at least one of them.
const TYPES = ['audio/webm;codecs=opus', 'audio/ogg;codecs=opus', 'audio/mp4;codecs=mp4a.40.2', 'audio/mp4', 'audio/webm'];
const BITS_PER_S = 48_000; // of one voice; half a minute is 180 kB
const PIECE_MS = 500; // as much as is lost when a tab is closed
const LOOK_MS = 100;
const PAUSE_FROM = 0.6; // from this part of a chunk's length on it is cut in the first pause, so that no word is cut in two
const PAUSE_MS = 250;
const PAUSE_DB = 25; // below the loudest of the chunk

/** What this browser records, or null when it records nothing that we know. */
export function recordingType() {
  if (typeof MediaRecorder === 'undefined') return null;
  return TYPES.find((type) => MediaRecorder.isTypeSupported(type)) ?? null;
}

/** One whole file. Its sink is made when its sound begins. */
class OneFile {
  #recorder;
  #sink = null;

  constructor(stream, type, makeSink) {
    this.#recorder = new MediaRecorder(stream, { mimeType: type, audioBitsPerSecond: BITS_PER_S });
    this.started = new Promise((resolve, reject) => {
      this.#recorder.onstart = () => {
        this.#sink ??= makeSink();
        resolve();
      };
      this.#recorder.onerror = ({ error }) => reject(error);
    });
    this.ended = new Promise((resolve) => {
      this.#recorder.onstop = () => resolve(this.#sink?.close());
    });
    this.#recorder.ondataavailable = ({ data }) => {
      this.#sink ??= makeSink();
      if (data.size) this.#sink.write(data);
    };
    this.#recorder.start(PIECE_MS);
  }

  /** Resolves when all of it is in the sink. */
  stop() {
    if (this.#recorder.state !== 'inactive') this.#recorder.stop();
    return this.ended;
  }
}

/**
 * `makeSink()` gives what a file is written to: `{write(blob), close()}`; `onFailed(error)`: the browser gave up.
 *
 * The next file is begun before the one before is ended: in Chromium the two share 10 to 50 ms of sound, and more while
 * the page is held up. The other way round 10 to 100 ms would be missing, which encoders hold back when they are stopped.
 */
export class ChunkRecorder {
  #stream;
  #type;
  #makeSink;
  #chunkMs;
  #onFailed;
  #current;
  #handover = Promise.resolve();
  #timer;
  #begunMs;
  #loudestDb = -100;
  #quietSinceMs = Infinity;
  #over = false;

  constructor(stream, { type, chunkS, makeSink, onFailed }) {
    this.#stream = stream;
    this.#type = type;
    this.#makeSink = makeSink;
    this.#chunkMs = chunkS * 1000;
    this.#onFailed = onFailed;
  }

  /** Raises what the browser raises. */
  async start() {
    this.#current = new OneFile(this.#stream, this.#type, this.#makeSink);
    await this.#current.started;
    this.#begin();
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  #begin() {
    this.#begunMs = performance.now();
    this.#loudestDb = -100;
    this.#quietSinceMs = Infinity;
  }

  /** The level now, in dB below full scale: a chunk is cut in a pause where there is one. */
  heard(db) {
    this.#loudestDb = Math.max(this.#loudestDb, db);
    if (db > this.#loudestDb - PAUSE_DB) this.#quietSinceMs = Infinity;
    else this.#quietSinceMs = Math.min(this.#quietSinceMs, performance.now());
  }

  #look() {
    const now = performance.now();
    const length = now - this.#begunMs;
    const pause = length >= this.#chunkMs * PAUSE_FROM && now - this.#quietSinceMs >= PAUSE_MS;
    if (!pause && length < this.#chunkMs) return;
    this.#begin();
    this.#handover = this.#handover.then(() => this.#next()).catch((error) => this.#over || this.#onFailed(error));
  }

  async #next() {
    if (this.#over) return;
    const next = new OneFile(this.#stream, this.#type, this.#makeSink);
    await next.started;
    const last = this.#current;
    this.#current = next;
    await last.stop();
  }

  /** Resolves when the last file is in its sink. */
  async stop() {
    this.#over = true;
    clearInterval(this.#timer);
    await this.#handover;
    await this.#current?.stop();
  }
}

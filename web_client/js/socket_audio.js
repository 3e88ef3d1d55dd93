// Sound to the server over a WebSocket: for networks where WebRTC finds no path. Keeps what was not acknowledged.

import { pathElsewhere } from './api.js';
import { ConnectionLost } from './connection.js';
import { openSocket } from './open_socket.js';
import { PcmCapture } from './pcm_capture.js';
import { CLOSE, FINAL_CLOSES } from './socket_address.js';
import { askForToken } from './token.js';
import { Unsent } from './unsent.js';

const KEPT_S = 10 * 60; // 19 MB at 16 kHz
const FRAME_MS = 500; // largest frame when catching up; the protocol allows 1000
const BUFFERED_BYTES = 256 * 1024; // more than this in the socket means the network is slower than we are
const START_MS = 8000;

export class SocketAudio {
  transport = 'websocket';
  resumeToken = null;
  lost = null;

  #stream;
  #known;
  #id;
  #prepared = null; // promise of a PcmCapture that is not started
  #capture = null; // the same, once it listens
  #unsent = null;
  #sent = 0; // position up to which sound was given to the present socket
  #socket = null;
  #adopted = false; // our positions agree with the server's
  #ready = false; // `started` came on the present socket
  #stopping = false;
  #startedAt = null; // performance.now() when the track began, where another way began it
  #heardAt = null; // the same of the first sample that we kept
  #there = ''; // the path of the node that has it, where we were sent on
  #pump = 0;
  #keepalive = 0;

  /** `known`: what is known of how many speak, as of `speaker-count`. */
  constructor(stream, transcriptId, known = {}) {
    this.#known = known;
    this.#stream = stream;
    this.#id = transcriptId;
  }

  /** Sound that the server has not heard, as far as we know. What it heard is kept longer: until it is acknowledged. */
  get waitingS() {
    if (!this.#unsent) return 0;
    const { sampleRate } = this.#capture;
    if (!this.#ready) return this.#unsent.length / sampleRate;
    return (this.#unsent.end - this.#sent + this.#socket.bufferedAmount / Int16Array.BYTES_PER_ELEMENT) / sampleRate;
  }

  /**
   * Connect, or connect again and send what is missing. `startedAt` is the performance.now() at which the track began
   * that another way began. Raises ConnectionLost.
   */
  async connect(resumeToken = this.resumeToken, { startedAt = null } = {}) {
    this.#startedAt = startedAt;
    await this.#listen();
    const path = `${this.#there}/v1/transcripts_stream/${encodeURIComponent(this.#id)}`;
    this.#there = ''; // if it does not answer, who sent us there may know more
    const socket = await openSocket(path).catch(({ code, message }) => {
      throw new ConnectionLost('no-path', { code, message });
    });
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#ready = false;
    const closed = new Promise((resolve) => (socket.onclose = resolve));
    const refusal = { code: '', message: '' };
    const started = this.#started(socket, resumeToken, refusal);
    const deadline = setTimeout(() => socket.close(), START_MS);
    const end = await Promise.race([started, closed]);
    clearTimeout(deadline);
    if (end) {
      if (end.code === CLOSE.NOT_AUTHORISED && (await askForToken())) return this.connect(resumeToken, { startedAt });
      throw new ConnectionLost(FINAL_CLOSES.has(end.code) ? 'refused' : 'no-path', refusal);
    }
    this.lost = closed.then((event) => this.#closed(event, refusal));
    this.#send();
  }

  /** Fetch what capturing needs, while there is a server to fetch it from. */
  async prepare() {
    this.#prepared ??= PcmCapture.prepare(this.#stream);
    await this.#prepared;
  }

  /** The microphone is heard from the first connect on, whether or not the server can be reached. */
  async #listen() {
    if (this.#capture) return;
    await this.prepare();
    this.#capture = await this.#prepared;
    this.#unsent = new Unsent(KEPT_S * this.#capture.sampleRate);
    await this.#capture.start((frame) => {
      this.#heardAt ??= performance.now() - (frame.length / this.#capture.sampleRate) * 1000;
      this.#unsent.append(frame);
      this.#send();
    });
  }

  #started(socket, resumeToken, refusal) {
    return new Promise((resolve) => {
      socket.onopen = () => {
        const data = { encoding: 'pcm_s16le', sample_rate: this.#capture.sampleRate, channels: 1, events: false, ...this.#known };
        if (resumeToken) data.resume = resumeToken;
        socket.send(JSON.stringify({ type: 'start', data }));
      };
      socket.onmessage = (event) => {
        const { type, data } = JSON.parse(event.data);
        if (type === 'started') {
          this.#begin(data);
          resolve(null);
        } else if (type === 'ack') {
          this.#unsent.acknowledge(data.position);
          this.#send();
        } else if (type === 'error') {
          Object.assign(refusal, { code: data.code, message: data.message });
          if (data.code === 'HELD_ELSEWHERE') this.#there = pathElsewhere(data.details);
        }
      };
    });
  }

  #begin({ resume_token: token, position, keepalive_s: keepaliveS }) {
    if (!this.#adopted) this.#adopt(position);
    this.resumeToken = token;
    this.#sent = position; // and not acknowledged by that: another server may ask for it once more
    this.#ready = true;
    clearInterval(this.#keepalive);
    this.#keepalive = setInterval(() => this.#tell('keepalive'), ((keepaliveS || 10) * 1000) / 2);
  }

  /** A track begun another way goes on where it stands; what nobody heard in between becomes silence. */
  #adopt(position) {
    this.#adopted = true;
    if (position === 0) return;
    const kept = this.#unsent;
    const { sampleRate } = this.#capture;
    this.#unsent = new Unsent(KEPT_S * sampleRate);
    this.#unsent.startAt(position);
    if (this.#startedAt !== null) {
      // All of what is kept was never sent, so where the clocks disagree it is rather late than cut.
      const ageS = ((this.#heardAt ?? performance.now()) - this.#startedAt) / 1000;
      const unheard = Math.round(ageS * sampleRate) + kept.start - position;
      if (unheard > 0) this.#unsent.append(new Int16Array(unheard));
    }
    for (let at = kept.start; at < kept.end; ) {
      const block = kept.read(at, kept.end - at);
      this.#unsent.append(block);
      at += block.length;
    }
  }

  /** Give the socket what it can take; called for every frame, ack and, while it is full, by a timer. */
  #send() {
    clearTimeout(this.#pump);
    if (!this.#ready || this.#socket.readyState !== WebSocket.OPEN) return;
    const most = Math.round((this.#capture.sampleRate * FRAME_MS) / 1000);
    while (this.#sent < this.#unsent.end) {
      if (this.#socket.bufferedAmount > BUFFERED_BYTES) {
        this.#pump = setTimeout(() => this.#send(), 100);
        return;
      }
      const samples = this.#unsent.read(this.#sent, most);
      this.#socket.send(samples);
      this.#sent += samples.length;
    }
    if (this.#stopping) {
      this.#tell('stop');
      this.#ready = false;
    }
  }

  #tell(type) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ type }));
  }

  #closed(event, refusal) {
    this.#ready = false;
    clearInterval(this.#keepalive);
    clearTimeout(this.#pump);
    return new ConnectionLost(FINAL_CLOSES.has(event.code) ? 'refused' : 'gone', refusal);
  }

  /** A WebSocket notices by itself that its server is gone. */
  suspect() {}

  /** Send what is left, then ask the server to finish. */
  async stop() {
    await this.#capture?.close();
    this.#stopping = true;
    this.#send();
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  close() {
    clearInterval(this.#keepalive);
    clearTimeout(this.#pump);
    this.#prepared?.then((capture) => capture.close(), () => {});
    this.#socket?.close(CLOSE.NORMAL);
  }
}

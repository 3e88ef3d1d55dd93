// One recording from the first press to the last word: opens the transcript, sends the sound by the way that works,
// keeps it connected, and finishes it. Knows nothing of the page; tells every change as a `change` event.

import { ApiError, changeTranscript, createTranscript, deleteTranscript, getTranscript, sendOffer } from './api.js';
import { countdown, delayS } from './backoff.js';
import { ConnectionLost } from './connection.js';
import { eventsOf, Listening } from './listening.js';
import { closeStream, openMicrophone } from './microphone.js';
import { problemOf } from './problem.js';
import { Sample } from './sample.js';
import { SocketAudio } from './socket_audio.js';
import { supported as webRtcSupported, WebRtcConnection } from './webrtc.js';

const STATUS_EVERY_MS = 3000; // lag is told with every interim; this keeps it fresh while nobody speaks
const LAST_WORD_MS = 300; // what was said at the moment of the press is still on its way through the encoder
const OVER = new Set(['processing', 'ended', 'failed']); // states of a transcript that nobody is recording
const SAME_SESSION_GONE = new Set(['REPLACED', 'NOT_FOUND', 'CONFLICT', 'ILLEGAL_STATE']);

/**
 * Phases: idle -> opening -> connecting -> live <-> lost -> finishing -> done, and failed from any of them.
 * Events: `change` (the session itself is the snapshot), `message` (of the listening socket), `stream` (sound opened).
 */
export class LiveSession extends EventTarget {
  phase = 'idle';
  source = 'microphone'; // or `sample`
  transcriptId = null;
  transport = null;
  retryInS = null; // seconds until the next try while lost
  listening = 'closed'; // state of the listening socket
  listeningRetryInS = null;
  lagMs = null;
  engineState = 'ok';
  progress = 0;
  problem = null; // {key, values} of a sentence; set when failed
  startedAt = null; // performance.now() of the first sound sent
  muted = false; // the system or a switch on the microphone silenced it
  paused = false; // here or elsewhere: time goes on, and nothing is sent or recorded

  #transports;
  #known = {};
  #stream = null;
  #sample = null;
  #connection = null;
  #spare = null; // the WebSocket way, ready for when the server cannot be reached any more
  #listener = null;
  #abort = new AbortController();
  #statusTimer = 0;
  #serverAway = false; // the server went, so that an end it told on its way is not somebody's wish
  #told = ''; // the status last told

  /** `transport`: `auto` (WebRTC, then WebSocket), or `websocket`. */
  constructor({ transport = 'auto' } = {}) {
    super();
    this.#transports = transport === 'websocket' || !webRtcSupported() ? [SocketAudio] : [WebRtcConnection, SocketAudio];
  }

  get waitingS() {
    return this.#connection?.waitingS ?? 0;
  }

  /** Seconds since sound began to flow. */
  get elapsedS() {
    return this.startedAt === null ? 0 : (performance.now() - this.startedAt) / 1000;
  }

  get running() {
    return ['opening', 'connecting', 'live', 'lost'].includes(this.phase);
  }

  /** Open the microphone (or the sample) and begin, knowing so much of how many speak (as of `speaker-count`). Never raises: what went wrong is in `problem`. */
  async start({ source = 'microphone', audible = false, name, known = {} } = {}) {
    this.#known = known;
    this.source = source;
    this.#set({ phase: 'opening' });
    try {
      await this.#openSound(audible);
      if (this.#abort.signal.aborted) return this.#release();
      this.#set({ phase: 'connecting' });
      const transcript = await createTranscript(name ? { name } : {});
      this.#set({ transcriptId: transcript.id });
      this.#listen();
      await this.#keepConnected();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Pause, or go on. Raises ApiError where the server does not take it; then all goes on as it was. */
  async setPaused(paused) {
    this.#follow(paused); // at once: what is said from here on is not meant for us
    try {
      await changeTranscript(this.transcriptId, { status: paused ? 'paused' : 'recording' });
    } catch (error) {
      this.#follow(!paused);
      throw error;
    }
  }

  #follow(paused) {
    for (const track of this.#stream.getAudioTracks()) track.enabled = !paused;
    this.#set({ paused });
  }

  async #openSound(audible) {
    if (this.source === 'sample') {
      this.#sample = await Sample.open({ audible });
      this.#stream = this.#sample.stream;
    } else {
      this.#stream = await openMicrophone();
      const [track] = this.#stream.getAudioTracks();
      track.onmute = () => this.#set({ muted: true });
      track.onunmute = () => this.#set({ muted: false });
      track.onended = () => this.stop(); // unplugged, or taken away in the browser's own dialogue
    }
    this.dispatchEvent(new CustomEvent('stream', { detail: this.#stream }));
  }

  // -- the words ------------------------------------------------------------------------------------------------

  #listen() {
    this.#listener = new Listening(eventsOf(this.transcriptId), { after: 0 });
    this.#listener.addEventListener('message', ({ detail }) => this.#heard(detail));
    this.#listener.addEventListener('state', ({ detail }) => {
      if (detail.away && this.phase === 'live') {
        this.#serverAway = true;
        this.#connection?.suspect();
      }
      this.#set({ listening: detail.state, listeningRetryInS: detail.retryInS ?? null });
    });
    this.#listener.addEventListener('refused', ({ detail }) =>
      this.#fail(new ApiError(detail.message, { code: detail.code, status: 400 })));
    this.#listener.start();
    this.#statusTimer = setInterval(() => this.#listener.send({ action: 'get_status' }), STATUS_EVERY_MS);
  }

  #heard(message) {
    const { type, data = {} } = message;
    if (type === 'transcription' && Number.isFinite(data.lag_ms)) this.#set({ lagMs: data.lag_ms });
    if (type === 'status') this.#status(data, Number.isInteger(message.seq));
    this.dispatchEvent(new CustomEvent('message', { detail: message }));
  }

  #status(data, durable) {
    const news = { engineState: data.engine_state ?? this.engineState, progress: data.progress ?? 0 };
    if (!durable && Number.isFinite(data.lag_ms)) news.lagMs = data.lag_ms; // durable ones carry no present lag
    this.#set(news);
    this.#told = data.status;
    if (durable && this.running && this.paused !== (data.state === 'paused')) this.#follow(!this.paused);
    if (this.phase !== 'finishing') return;
    if (data.status === 'completed') this.#done();
    if (data.status === 'failed') this.#fail(new ApiError(data.message, { code: 'TRANSCRIPT_FAILED', status: 500 }));
  }

  // -- the sound ------------------------------------------------------------------------------------------------

  async #keepConnected() {
    let attempt = 0;
    let token = null;
    while (!this.#abort.signal.aborted) {
      try {
        token = await this.#connect(token);
        attempt = 0;
        const loss = await this.#connection.lost;
        if (this.#over()) return;
        if (loss.code !== 'DRAINING' && (await this.#stoppedElsewhere())) return this.#finishHeard();
        if (loss.reason === 'refused') throw loss;
      } catch (error) {
        if (this.#over()) return;
        token = this.#connection?.resumeToken ?? token; // the server may know us, though no sound came through
        const action = this.#after(error, token);
        if (action === 'fail') throw error;
        if (action === 'anew') token = this.#connection.resumeToken = null;
        if (action === 'next-transport') this.#nextTransport();
        if (action !== 'later') continue;
      }
      await this.#pauseBeforeRetry(attempt++);
    }
  }

  async #connect(token) {
    this.#connection ??= this.#spare ?? this.#begin(this.#transports[0]);
    this.#set({ transport: this.#connection.transport });
    await this.#connection.connect(token, { startedAt: this.startedAt });
    if (this.startedAt === null) {
      this.startedAt = performance.now();
      await this.#playSample();
    }
    this.#serverAway = false;
    if (this.phase !== 'finishing') this.#set({ phase: 'live', retryInS: null });
    this.#prepareSpare();
    return this.#connection.resumeToken;
  }

  #begin(Transport) {
    const [id, known] = [this.transcriptId, this.#known];
    if (Transport === SocketAudio) return new SocketAudio(this.#stream, id, known);
    return new Transport(this.#stream, id, { offer: (body) => sendOffer(id, { ...body, ...known }) });
  }

  #prepareSpare() {
    if (this.#spare || this.#transports.length < 2) return;
    this.#spare = this.#begin(SocketAudio);
    this.#spare.prepare().catch(() => (this.#spare = null)); // tried again when it is needed
  }

  async #playSample() {
    if (!this.#sample) return;
    await this.#sample.play();
    this.#sample.ended.then(() => this.stop());
  }

  /** What to do about a failed try: `fail`, `anew` (without the token), `next-transport`, or `later`. */
  #after(error, token) {
    if (token && SAME_SESSION_GONE.has(error.code)) return 'anew';
    if (error instanceof ConnectionLost && error.reason !== 'refused') {
      return error.reason === 'no-path' && this.#transports.length > 1 ? 'next-transport' : 'later';
    }
    // Before any sound a person is told and decides; later it goes on by itself.
    if (!(error instanceof ApiError && error.passing) || this.startedAt === null) return 'fail';
    // The WebSocket keeps sound in memory until the server is back, WebRTC cannot.
    return this.#transports.length > 1 ? 'next-transport' : 'later';
  }

  #nextTransport() {
    this.#connection.close();
    this.#connection = null;
    this.#transports.shift();
  }

  async #pauseBeforeRetry(attempt) {
    if (this.phase !== 'finishing') this.#set({ phase: 'lost' });
    const onTick = (retryInS) => this.#set({ retryInS });
    await countdown(delayS(attempt), { signal: this.#abort.signal, onTick });
    this.#set({ retryInS: null });
  }

  /**
   * Somebody else ended the recording: that is no loss to come back from. The listening socket tells it too, but it may
   * still be on its way there when the connection is already closed.
   */
  async #stoppedElsewhere() {
    if (this.#serverAway) return false;
    if (this.#isOver) return true;
    try {
      const { data } = await getTranscript(this.transcriptId);
      return OVER.has(data.state) && !this.#serverAway;
    } catch {
      return false; // not reachable: a loss like any other
    }
  }

  get #isOver() {
    return this.#told === 'completed' || this.#told === 'failed';
  }

  /** The last words are told by the listening socket, and after them the end. */
  #finishHeard() {
    if (this.#isOver) return this.#done();
    this.#set({ phase: 'finishing', retryInS: null });
    closeStream(this.#stream);
  }

  /** Nothing left to keep connected: ended, or finishing with nothing waiting to be sent. */
  #over() {
    return this.#abort.signal.aborted || (this.phase === 'finishing' && this.waitingS === 0);
  }

  // -- the end --------------------------------------------------------------------------------------------------

  /** Finish: the rest is sent and written down, then the phase is `done`. */
  async stop() {
    if (this.phase === 'opening' || this.transcriptId === null) {
      this.#abort.abort();
      this.#release();
      this.#set({ phase: 'idle' });
      return;
    }
    if (!this.running) return;
    this.#set({ phase: 'finishing', retryInS: null });
    await new Promise((resolve) => setTimeout(resolve, this.#sample ? 0 : LAST_WORD_MS));
    const asked = (await this.#connection?.stop()) ?? false;
    closeStream(this.#stream);
    if (!asked && this.waitingS === 0) this.#askToStop();
  }

  /** Without a way of its own the request goes over the listening socket, as soon as that is open. */
  #askToStop() {
    const ask = () => this.phase === 'finishing' && this.#listener.send({ action: 'stop' });
    if (ask()) return;
    this.#listener.addEventListener('state', ({ detail }) => detail.state === 'open' && ask());
  }

  #done() {
    this.#set({ phase: 'done' });
    this.#abort.abort();
    this.#release();
  }

  #fail(error) {
    if (this.#abort.signal.aborted) return;
    this.#set({ phase: 'failed', problem: problemOf(error) });
    this.#abort.abort();
    this.#release();
    if (this.startedAt === null && this.transcriptId !== null) this.#forget();
  }

  /** Refused before any sound: a try is no recording, and the next one makes its own transcript. */
  #forget() {
    deleteTranscript(this.transcriptId).catch(() => {}); // not allowed, or the server is away: it stays, empty
    this.transcriptId = null;
  }

  #release() {
    clearInterval(this.#statusTimer);
    this.#connection?.close();
    this.#spare?.close();
    this.#listener?.close();
    this.#sample?.close();
    closeStream(this.#stream);
  }

  #set(news) {
    Object.assign(this, news);
    this.dispatchEvent(new CustomEvent('change'));
  }
}

// A participant's conversation, from the press of the button to the end. What is said is kept in this browser first, and
// sent from there. Knows nothing of the page; tells changes as `change` events.

import { begin, ping } from './portal_api.js';
import { ChunkRecorder, recordingType } from './chunk_recorder.js';
import { ChunkSender } from './chunk_sender.js';
import { Level } from './level.js';
import { closeStream, MicrophoneError, openMicrophone } from './microphone.js';
import { portalProblemOf } from './portal_problem.js';
import { WakeLock } from './wake_lock.js';

const PING_EVERY_MS = 60_000; // a conversation of which nothing comes is finished by the server after a while
const SILENT_DB = -60;
const SILENT_FIRST_MS = 5_000; // nothing at all was heard since the microphone was opened
const SILENT_MS = 20_000; // people think before they go on

/**
 * Phases: idle -> opening -> recording <-> paused -> finishing -> done; unfinished: from an earlier visit, nothing is
 * recorded. Events: `change` (the session itself is the snapshot), `level` (detail: dB below full scale).
 */
export class PortalSession extends EventTarget {
  phase = 'idle';
  conversation = null;
  sender = null;
  problem = null; // {key, values} of a sentence
  silent = false; // no sound comes, for suspiciously long
  elapsedMs = 0; // recorded in this visit, up to the last pause

  #project;
  #store;
  #chunkS;
  #stream = null;
  #recorder = null;
  #level = null;
  #wakeLock = new WakeLock();
  #runningSince = null;
  #heardAt = 0;
  #heardOnce = false;
  #pingTimer;
  #unsendable = null; // the problem, where it is about sending

  constructor(project, store, { chunkS }) {
    super();
    this.#project = project;
    this.#store = store;
    this.#chunkS = chunkS;
    this.#pingTimer = setInterval(() => this.#ping(), PING_EVERY_MS);
  }

  get recordedS() {
    const now = this.#runningSince === null ? 0 : performance.now() - this.#runningSince;
    return (this.elapsedMs + now) / 1000;
  }

  /** Whether leaving now costs something: what is said this moment, or what waits for this page to be sent. */
  get holds() {
    return this.phase === 'recording' || Boolean(this.sender && this.sender.state !== 'done' && this.sender.waiting);
  }

  /** Go on with what an earlier visit has left here. What it had not completed is whole as far as it was kept. */
  async find(conversation) {
    await this.#sealAll(conversation);
    this.#take(conversation);
    this.#set({ phase: conversation.finishing ? 'finishing' : 'unfinished' });
  }

  /** Never raises: what went wrong is in `problem`. Without the microphone one can only write. */
  async begin(fields, { microphone }) {
    this.#set({ phase: 'opening', problem: null });
    try {
      if (microphone) await this.#openMicrophone(); // first: nothing empty is left behind where it is denied
      const asked = Date.now();
      const { id, created_at: createdAt } = await this.#beginAnyhow(fields);
      // The clock of a kiosk may be wrong by hours; what is said stands at the server's time.
      const clockMs = Date.parse(createdAt) - (asked + Date.now()) / 2;
      const conversation = {
        id, projectId: this.#project.id, beganAt: asked, clockMs, lastAtMs: 0, nextNumber: 0, confirmed: 0,
        finishing: false, finishTold: false,
      };
      await this.#store.save(conversation);
      this.#take(conversation);
      if (microphone) await this.#record();
      else this.#set({ phase: 'paused' });
    } catch (error) {
      await this.#halt();
      this.#set({ phase: this.conversation ? 'paused' : 'idle', problem: portalProblemOf(error) });
    }
  }

  /** A tag that its host has deleted meanwhile keeps nobody from speaking. */
  async #beginAnyhow(fields) {
    try {
      return await begin(this.#project.id, fields);
    } catch (error) {
      const gone = error.details?.tags;
      if (!gone) throw error;
      return begin(this.#project.id, { ...fields, tag_id_list: fields.tag_id_list.filter((tag) => !gone.includes(tag)) });
    }
  }

  /** While nothing is recorded: what was cut off is whole as far as it was kept. */
  async #sealAll({ id }) {
    for (const chunk of await this.#store.chunks(id)) {
      if (!chunk.sealed) await this.#store.seal(chunk);
    }
  }

  #take(conversation) {
    this.conversation = conversation;
    this.sender = new ChunkSender(this.#store, conversation);
    this.sender.addEventListener('change', () => this.#sent());
    this.sender.run();
  }

  // -- the sound --------------------------------------------------------------------------------------------------

  async #openMicrophone() {
    if (recordingType() === null) throw new MicrophoneError('unsupported');
    this.#stream = await openMicrophone();
    const [track] = this.#stream.getAudioTracks();
    track.onended = () => this.#interrupted(new MicrophoneError('gone')); // unplugged, or taken away
  }

  async #record() {
    this.#heardOnce = false;
    this.#heardAt = performance.now();
    const recorder = new ChunkRecorder(this.#stream, {
      type: recordingType(),
      chunkS: this.#chunkS,
      makeSink: () => this.#sink(),
      onFailed: (error) => this.#interrupted(error),
    });
    this.#recorder = recorder;
    this.#level = new Level(this.#stream, ({ db }) => this.#hears(db));
    await recorder.start();
    if (this.#recorder !== recorder) return; // interrupted meanwhile
    this.#runningSince = performance.now();
    this.#wakeLock.wanted = true;
    this.#set({ phase: 'recording', problem: null, silent: false });
  }

  #hears(db) {
    this.#recorder?.heard(db);
    const now = performance.now();
    if (db > SILENT_DB) {
      this.#heardAt = now;
      this.#heardOnce = true;
    }
    const silent = now - this.#heardAt > (this.#heardOnce ? SILENT_MS : SILENT_FIRST_MS);
    this.dispatchEvent(new CustomEvent('level', { detail: db }));
    if (silent !== this.silent) this.#set({ silent });
  }

  /** Where one file goes: its pieces are kept one after the other, then it may be sent. */
  #sink() {
    const { id, clockMs } = this.conversation;
    const begun = this.#store.add(id, { type: recordingType() }, Date.now() + clockMs);
    begun.catch((error) => this.#interrupted(error));
    let piece = 0;
    let queue = begun;
    const then = (work) => {
      queue = queue.then(work);
      queue.catch((error) => this.#interrupted(error));
    };
    return {
      write: (blob) => {
        const number = piece++;
        then(async () => this.#store.addPiece(await begun, number, await blob.arrayBuffer()));
      },
      close: async () => {
        // What was kept before something went wrong is a file, too, that only ends earlier.
        await queue.catch(() => {});
        await begun.then((chunk) => this.#store.seal(chunk)).catch((error) => this.#interrupted(error));
        this.sender.wake();
      },
    };
  }

  /** Recording stops because something went wrong; what there is of it is sent. */
  async #interrupted(error) {
    if (this.phase !== 'recording' && this.phase !== 'opening') return;
    this.#set({ phase: 'paused', problem: portalProblemOf(error) });
    await this.#halt();
  }

  async #halt() {
    const recorder = this.#recorder;
    this.#recorder = null;
    this.#wakeLock.wanted = false;
    if (this.#runningSince !== null) this.elapsedMs += performance.now() - this.#runningSince;
    this.#runningSince = null;
    this.#level?.close();
    this.#level = null;
    this.silent = false;
    await recorder?.stop();
    closeStream(this.#stream);
    this.#stream = null;
  }

  // -- what people do ---------------------------------------------------------------------------------------------

  async pause() {
    if (this.phase !== 'recording') return;
    this.#set({ phase: 'paused' });
    await this.#halt();
  }

  /** After a pause, after a reload, or after something went wrong. Never raises. */
  async resume() {
    const { phase } = this;
    this.#set({ phase: 'opening', problem: null });
    try {
      await this.#sealAll(this.conversation);
      await this.#openMicrophone();
      await this.#record();
    } catch (error) {
      await this.#halt();
      this.#set({ phase, problem: portalProblemOf(error) });
    }
  }

  /** Words that are typed take the same way. Raises StorageError. */
  async type(text) {
    await this.#store.add(this.conversation.id, { text }, Date.now() + this.conversation.clockMs);
    this.sender.wake();
  }

  async finish() {
    this.#set({ phase: 'finishing', problem: null });
    try {
      await this.#halt();
      await this.#sealAll(this.conversation); // what could not be, while the device was full
      await this.#store.change(this.conversation.id, { finishing: true });
      this.sender.wake();
    } catch (error) {
      this.#set({ phase: 'paused', problem: portalProblemOf(error) });
    }
  }

  /** What stood in the way of sending may be gone. */
  tryAgain() {
    this.#set({ problem: null });
    this.sender?.wake();
  }

  /** Let go of what cannot be sent. */
  async discard() {
    this.close();
    await this.#halt();
    await this.#store.forget(this.conversation.id);
  }

  /** The page goes on to another conversation. */
  close() {
    clearInterval(this.#pingTimer);
    this.sender?.close();
  }

  // -- the sending ------------------------------------------------------------------------------------------------

  #sent() {
    const { state, problem } = this.sender;
    if (problem) this.problem = this.#unsendable = portalProblemOf(problem, { begun: true });
    else if (this.problem === this.#unsendable) this.problem = this.#unsendable = null;
    if (state === 'done' && this.phase === 'finishing') this.#done();
    else this.#set({});
  }

  async #done() {
    this.close();
    // All of it is the server's now. Who comes next to this browser must not find it.
    await this.#store.forget(this.conversation.id).catch(() => {});
    this.#set({ phase: 'done' });
  }

  #ping() {
    if (['recording', 'paused', 'unfinished'].includes(this.phase)) ping(this.conversation.id).catch(() => {});
  }

  #set(news) {
    Object.assign(this, news);
    this.dispatchEvent(new CustomEvent('change'));
  }
}

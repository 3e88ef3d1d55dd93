// Taking part in a room's meeting, from the press of the button to the end: joins, sends the microphone, plays the
// others, keeps both connected, and knows who is there. Knows nothing of the page; tells changes as `change` events.

import { ApiError } from './api.js';
import { countdown, delayS } from './backoff.js';
import { ConnectionLost } from './connection.js';
import { eventsOf, Listening } from './listening.js';
import { closeStream, openMicrophone } from './microphone.js';
import { keepPlace, placeIn } from './own_name.js';
import { roomProblemOf } from './room_problem.js';
import {
  answerConsent, endMeeting, getMeeting, joinMeeting, leaveMeeting, offerSound, openMeeting, whoIsIn,
} from './rooms_api.js';
import { WebRtcConnection } from './webrtc.js';

const PEOPLE_EVERY_MS = 2500;
const SPEAKING_MS = 1800; // interims of a voice come more often than this
const PATHS_TRIED = 2; // without any path found, before a person is told
// A transcript's states.
const UNDER_WAY = new Set(['recording', 'paused', 'processing']);
const COMPLETE = new Set(['ended', 'failed']);
const SETTLED_MS = 50; // a page that joins late is told all that ever was, one status after the other
const NO_SUCH = new Set([401, 404]);

/**
 * Phases: idle -> opening -> connecting -> live <-> lost, and then left, ended, elsewhere or failed.
 * Events: `change` (the session itself is the snapshot), `message` (of the listening socket), `stream` (the microphone
 * is open), `remote` (detail: the others' sound, to be played).
 */
export class RoomSession extends EventTarget {
  phase = 'idle';
  meeting = null;
  participantId = null;
  name = ''; // as the room calls us: another one may have had ours
  people = [];
  muted = false;
  listensOnly = false; // without a microphone
  consent = null; // what we answered
  soundKept = true; // as the answers of all stand
  retryInS = null; // seconds until the next try while lost
  listening = 'closed'; // state of the listening socket
  problem = null; // {key, values} of a sentence; set when failed

  #room;
  #secret = null;
  #stream = null;
  #connection = null;
  #listener = null;
  #abort = new AbortController();
  #peopleTimer = 0;
  #endTimer = 0;
  #standing = null; // the transcript's state, as told last
  #spokeAt = new Map(); // name -> performance.now() of their newest words
  #seen = new Set(); // names whose words came

  constructor(room) {
    super();
    this.#room = room;
  }

  get running() {
    return ['opening', 'connecting', 'live', 'lost'].includes(this.phase);
  }

  /** Whoever may end the meeting. */
  get isHost() {
    return Boolean(this.meeting?.host_room_url);
  }

  /** Whether the room wants to know if the sound may be kept. */
  get asksConsent() {
    return this.consent === null && this.soundKept && this.meeting !== null && !this.meeting.skip_consent && this.#keepsSound;
  }

  /** Whether somebody, be it ourselves, does not want the sound kept: then nobody need be asked. */
  get soundDenied() {
    return this.#keepsSound && (this.consent === false || !this.soundKept);
  }

  get #keepsSound() {
    return this.meeting?.recording_type !== 'none';
  }

  /** Whether the meeting is over and its last words are still to come. */
  get writing() {
    return this.phase === 'ended' && this.listening !== 'closed' && UNDER_WAY.has(this.#standing);
  }

  /** Whether words of somebody came just now. */
  speaks(name) {
    return performance.now() - (this.#spokeAt.get(name) ?? -Infinity) < SPEAKING_MS;
  }

  /** Never raises: what went wrong is in `problem`. */
  async join(name, { microphone = true } = {}) {
    this.listensOnly = !microphone;
    this.#set({ phase: 'opening' });
    try {
      if (microphone) await this.#openMicrophone();
      if (this.#over) return this.#release();
      this.#set({ phase: 'connecting' });
      const me = await this.#enter((await openMeeting(this.#room)).id, name);
      if (this.#over) return this.#release();
      this.#secret = me.token;
      keepPlace(me.meeting.id, me.token);
      this.#set({ meeting: me.meeting, participantId: me.participant_id, name: me.name, consent: me.consent_given });
      this.#listen();
      this.#lookAround();
      await this.#keepConnected();
    } catch (error) {
      this.#fail(error);
    }
  }

  async #openMicrophone() {
    this.#stream = await openMicrophone();
    const [track] = this.#stream.getAudioTracks();
    track.onended = () => this.#fail(new ApiError('', { code: 'microphone.gone' })); // unplugged, or taken away
    this.dispatchEvent(new CustomEvent('stream', { detail: this.#stream }));
  }

  /** As who this tab was before, where it was there. */
  async #enter(meetingId, name) {
    const token = placeIn(meetingId);
    if (!token) return joinMeeting(meetingId, { name });
    try {
      return await joinMeeting(meetingId, { name, token });
    } catch (error) {
      if (!NO_SUCH.has(error.status)) throw error;
      keepPlace(meetingId, null);
      return joinMeeting(meetingId, { name });
    }
  }

  // -- the words, and who is there ------------------------------------------------------------------------------

  #listen() {
    this.#listener = new Listening(eventsOf(this.meeting.transcript_id), { secret: this.#secret });
    this.#listener.addEventListener('message', ({ detail }) => this.#heard(detail));
    this.#listener.addEventListener('state', ({ detail }) => {
      if (detail.away && this.phase === 'live') this.#connection?.suspect();
      this.#set({ listening: detail.state });
    });
    this.#listener.start();
  }

  #heard(message) {
    const { type, data = {} } = message;
    if (type === 'transcription' && data.text) this.#spoke(data);
    if (type === 'status') this.#stands(data.state);
    this.dispatchEvent(new CustomEvent('message', { detail: message }));
  }

  #stands(state) {
    this.#standing = state;
    clearTimeout(this.#endTimer);
    if (this.#over) {
      if (COMPLETE.has(state)) this.#listener.close(); // the last words were told
      this.#set({});
    } else if (state === 'processing' || COMPLETE.has(state)) {
      // Nobody is there any more: perhaps the meeting was ended.
      this.#endTimer = setTimeout(() => this.#checkEnded(), SETTLED_MS);
    }
  }

  #spoke({ speaker, is_final: final }) {
    if (final) this.#spokeAt.delete(speaker);
    else this.#spokeAt.set(speaker, performance.now());
    if (this.#seen.has(speaker)) return;
    this.#seen.add(speaker);
    if (!this.people.some((person) => person.name === speaker)) this.#lookAround();
  }

  async #lookAround() {
    clearTimeout(this.#peopleTimer);
    try {
      const { here, soundKept } = await whoIsIn(this.meeting.id, { secret: this.#secret });
      if (this.#over) return;
      this.#set({ people: here, soundKept });
    } catch {
      // Not reachable now: the connection tells that, too, and the next look comes.
    }
    clearTimeout(this.#peopleTimer);
    if (!this.#over) this.#peopleTimer = setTimeout(() => this.#lookAround(), PEOPLE_EVERY_MS);
  }

  // -- the sound ------------------------------------------------------------------------------------------------

  async #keepConnected() {
    this.#connection = new WebRtcConnection(this.#stream, this.meeting.transcript_id, {
      offer: (body) => offerSound(this.meeting.id, this.participantId, body, { secret: this.#secret }),
      hear: (stream) => this.dispatchEvent(new CustomEvent('remote', { detail: stream })),
      secret: this.#secret,
    });
    let attempt = 0;
    let wasLive = false;
    while (!this.#over) {
      try {
        await this.#connection.connect();
        if (this.#over) return;
        wasLive = true;
        attempt = 0;
        this.#connected();
        const loss = await this.#connection.lost;
        if (this.#over) return;
        if (loss.code === 'REPLACED') return this.#finish('elsewhere');
      } catch (error) {
        if (this.#over) return;
        if (await this.#checkEnded()) return;
        const lost = error instanceof ConnectionLost;
        if (!wasLive && !(lost && attempt < PATHS_TRIED - 1)) throw error; // a person is told and decides
        if (!lost && !error.passing) this.#connection.resumeToken = null; // perhaps it is that which is refused
      }
      if (await this.#checkEnded()) return;
      if (wasLive) this.#set({ phase: 'lost' });
      const onTick = (retryInS) => this.#set({ retryInS });
      await countdown(delayS(attempt++), { signal: this.#abort.signal, onTick });
    }
  }

  #connected() {
    this.#set({ phase: 'live', retryInS: null });
    if (this.muted) this.#connection.tell({ cmd: 'PAUSE' });
    this.#lookAround();
  }

  setMuted(muted) {
    for (const track of this.#stream?.getAudioTracks() ?? []) track.enabled = !muted;
    // So that the others see it, and nothing of it is recorded.
    if (this.phase === 'live') this.#connection.tell({ cmd: muted ? 'PAUSE' : 'RESUME' });
    this.#set({ muted });
  }

  async answerConsent(given) {
    await answerConsent(this.meeting.id, given, { secret: this.#secret });
    this.#set({ consent: given });
  }

  // -- the end --------------------------------------------------------------------------------------------------

  /** Whether the meeting is over; then so is the session. */
  async #checkEnded() {
    if (this.#over) return true;
    try {
      if ((await getMeeting(this.meeting.id, { secret: this.#secret })).is_active) return false;
    } catch (error) {
      if (!NO_SUCH.has(error.status)) return false; // not reachable: a loss like any other
    }
    this.#finish('ended');
    return true;
  }

  /** Go; the room goes on. Also of use while the page goes away. */
  leave() {
    if (!this.running) return;
    if (this.meeting) leaveMeeting(this.meeting.id, { secret: this.#secret, keepalive: true }).catch(() => {});
    this.#finish('left');
  }

  /** For everybody. Raises ApiError. */
  async end() {
    await endMeeting(this.meeting.id);
    this.#finish('ended');
  }

  get #over() {
    return this.#abort.signal.aborted;
  }

  #finish(phase) {
    if (this.#over) return;
    this.#abort.abort();
    this.#release();
    if (phase !== 'ended' || COMPLETE.has(this.#standing)) this.#listener?.close(); // else the last words are still to come
    this.#set({ phase, retryInS: null });
  }

  /** The page goes on to something else. */
  close() {
    this.leave();
    this.#listener?.close();
  }

  #fail(error) {
    if (this.#over) return;
    if (this.meeting) leaveMeeting(this.meeting.id, { secret: this.#secret }).catch(() => {});
    this.problem = roomProblemOf(error);
    this.#finish('failed');
  }

  #release() {
    clearTimeout(this.#peopleTimer);
    clearTimeout(this.#endTimer);
    this.#connection?.close();
    closeStream(this.#stream);
  }

  #set(news) {
    Object.assign(this, news);
    this.dispatchEvent(new CustomEvent('change'));
  }
}

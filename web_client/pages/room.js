// A room: who is in it, the way in, the meeting with its live words, and what became of it.

import '../elements/consent_question.js';
import '../elements/copy_link.js';
import '../elements/level_meter.js';
import '../elements/people_list.js';
import '../elements/problem_note.js';
import '../elements/site_header.js';
import '../elements/state_line.js';
import '../elements/words_view.js';
import { getTranscript } from '../js/api.js';
import { dock } from '../js/dock.js';
import { h, icon, ICONS, show } from '../js/dom.js';
import { Level } from '../js/level.js';
import { keepOwnName, ownName } from '../js/own_name.js';
import { roomProblemOf } from '../js/room_problem.js';
import { RoomSession } from '../js/room_session.js';
import { doing, roomWords } from '../js/room_words.js';
import { activeMeeting, getRoom, joinMeeting, openMeeting, whoIsIn } from '../js/rooms_api.js';
import { t } from '../js/strings.js';

const place = decodeURIComponent(location.pathname.replace(/\/+$/, '').split('/').pop());
const SPEAKING_DB = -42; // louder than breath and a fan
const SPEAKING_MS = 700;
const LOOK_EVERY_MS = 5000; // who is there, before one has joined
const ENDS = ['left', 'ended', 'elsewhere'];

/** Only where it is another one: it may be read out. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

class RoomPage {
  #room = null;
  #session = new RoomSession(place);
  #level = null;
  #silent = false;
  #loudAt = -Infinity;
  #lookTimer = 0;

  #heading = h('h1', { dir: 'auto' });
  #copy = document.createElement('copy-link');
  #problem = document.createElement('problem-note');

  #here = h('p', { class: 'here', role: 'status' });
  #name = h('input', { type: 'text', id: 'own-name', name: 'name', maxlength: 100, autocomplete: 'name', dir: 'auto', required: true, 'aria-describedby': 'own-name-why' });
  #join = h('button', { class: 'primary' }, icon(...ICONS.microphone), t('room.join'));
  #quiet = h('button', { type: 'button', onclick: () => this.#enter(false) }, icon(...ICONS.ear), t('room.join.listen'));
  #way = h('form', { class: 'way-in', onsubmit: (event) => this.#submit(event) },
    h('label', { for: 'own-name', text: t('room.name') }), this.#name,
    h('p', { class: 'muted hint', id: 'own-name-why', text: t('room.name.why') }),
    h('div', { class: 'row' }, this.#join, this.#quiet));
  #what = h('p', { class: 'muted' });
  #before = h('div', { class: 'before' }, this.#here, this.#way, this.#what);

  #people = document.createElement('people-list');
  #consent = document.createElement('consent-question');
  #answered = h('p', { class: 'muted answered', role: 'status' });
  #words = document.createElement('words-view');
  #waiting = h('p', { class: 'waiting muted', text: t('room.waiting') });

  #mute = h('button', { type: 'button', class: 'mute', onclick: () => this.#session.setMuted(!this.#session.muted) });
  #leave = h('button', { type: 'button', onclick: () => this.#session.leave() }, icon(...ICONS.leave), t('room.leave'));
  #end = h('button', { type: 'button', class: 'quiet', text: t('room.end'), onclick: () => this.#endForAll() });
  #hear = h('button', { type: 'button', class: 'primary', text: t('room.hear'), onclick: () => this.#play() });
  #meter = document.createElement('level-meter');
  #state = document.createElement('state-line');
  #sound = h('audio', { autoplay: true });
  #dock = dock(
    h('div', { class: 'dock-row' }, this.#mute, this.#meter, h('span', { class: 'gap' }), this.#leave),
    this.#hear, this.#state, this.#sound);

  #overWhat = h('h2', { tabindex: -1 });
  #overDo = h('p', { class: 'muted', role: 'status' });
  #again = h('button', { type: 'button', class: 'primary', onclick: () => this.#enter(!this.#session.listensOnly) });
  #transcript = h('a', { class: 'own-page', text: t('room.transcript') });
  #over = h('div', { class: 'over' }, this.#overWhat, this.#overDo, h('div', { class: 'row' }, this.#again, this.#transcript));

  async build() {
    document.querySelector('main').append(
      h('div', { class: 'room-head' }, this.#heading, h('div', { class: 'row' }, this.#end, this.#copy)),
      this.#problem, this.#before, this.#over, this.#people, this.#consent, this.#answered, this.#words, this.#waiting,
      show(this.#dock, false));
    this.#name.value = ownName();
    this.#copy.path = `/r/${encodeURIComponent(place)}`;
    this.#consent.addEventListener('answer', ({ detail }) => this.#answer(detail));
    addEventListener('pagehide', () => this.#session.leave());
    addEventListener('keydown', (event) => this.#key(event));
    this.#render();
    await this.#look();
    setInterval(() => this.#render(), 300);
  }

  /** The room itself, and who is in it. */
  async #look() {
    clearTimeout(this.#lookTimer);
    try {
      this.#room ??= await getRoom(place);
      const meeting = await activeMeeting(place);
      this.#tellHere(meeting ? (await whoIsIn(meeting.id)).here : []);
    } catch (error) {
      if (!this.#room) this.#problem.show(roomProblemOf(error), [this.#button('retry', () => location.reload())]);
    }
    this.#render();
    this.#lookTimer = setTimeout(() => this.#room && !this.#session.running && this.#look(), LOOK_EVERY_MS);
  }

  #tellHere(people) {
    const names = new Intl.ListFormat(document.documentElement.lang).format(people.slice(0, 8).map((person) => `\u2068${person.name}\u2069`));
    const more = Math.max(0, people.length - 8);
    const text = people.length ? t('room.here', { names, more }) : t('room.here.none');
    setText(this.#here, text);
  }

  #submit(event) {
    event.preventDefault();
    this.#enter(true);
  }

  #enter(microphone) {
    if (!this.#name.reportValidity()) return;
    const name = this.#name.value.trim();
    keepOwnName(name);
    this.#problem.clear();
    if (this.#room.platform !== 'builtin') {
      this.#goElsewhere(name);
      return;
    }
    this.#session.close();
    this.#words.clear();
    this.#consent.again();
    const session = new RoomSession(place);
    this.#session = session;
    let before = session.phase;
    session.addEventListener('change', () => {
      if (session !== this.#session) return;
      this.#render();
      if (session.phase === before) return;
      before = session.phase;
      if (!session.running) this.#ended();
    });
    session.addEventListener('message', ({ detail }) => session === this.#session && this.#words.apply(detail));
    session.addEventListener('stream', ({ detail }) => this.#measure(detail));
    session.addEventListener('remote', ({ detail }) => {
      this.#sound.srcObject = detail;
      this.#play();
    });
    this.#words.live = true;
    session.join(name, { microphone });
    this.#mute.focus();
  }

  /** The meeting is with somebody else: we only lead there. */
  async #goElsewhere(name) {
    try {
      const { id } = await openMeeting(place);
      location.assign((await joinMeeting(id, { name })).room_url);
    } catch (error) {
      this.#problem.show(roomProblemOf(error));
    }
  }

  /** Browsers let a page sound once somebody has pressed something on it; where one does not, a button asks. */
  #play() {
    this.#sound.play().then(() => show(this.#hear, false), (error) => show(this.#hear, error.name === 'NotAllowedError'));
  }

  #measure(stream) {
    this.#level?.close();
    this.#loudAt = -Infinity;
    this.#level = new Level(stream, ({ db, silent }) => {
      this.#meter.push(db);
      this.#silent = silent;
      if (db > SPEAKING_DB) this.#loudAt = performance.now();
    });
  }

  async #answer(given) {
    try {
      await this.#session.answerConsent(given);
    } catch (error) {
      this.#consent.again();
      this.#problem.show(roomProblemOf(error));
    }
  }

  async #endForAll() {
    if (!confirm(t('room.end.sure'))) return;
    try {
      await this.#session.end();
    } catch (error) {
      this.#problem.show(roomProblemOf(error));
    }
  }

  #ended() {
    const session = this.#session;
    this.#level?.close();
    this.#level = null;
    this.#silent = false;
    this.#meter.reset();
    this.#words.live = false;
    this.#sound.srcObject = null;
    show(this.#hear, false);
    if (session.phase === 'failed') {
      const denied = session.problem.key.startsWith('problem.microphone.');
      const quiet = this.#button('room.join.listen', () => this.#enter(false));
      this.#problem.show(session.problem, [
        this.#button('retry', () => this.#enter(!session.listensOnly)),
        ...(denied ? [quiet] : []),
      ]);
    } else {
      this.#overWhat.textContent = t(`room.${session.phase}`);
      this.#again.textContent = t({ elsewhere: 'room.back', ended: 'room.anew' }[session.phase] ?? 'room.again');
      this.#offerTranscript(session.meeting?.transcript_id);
      this.#overWhat.focus();
    }
    this.#render();
    this.#look();
  }

  /** For whoever may read it: guests may not, unless it is shared with them. */
  async #offerTranscript(id) {
    show(this.#transcript, false);
    if (!id || this.#session.phase === 'elsewhere') return;
    this.#transcript.href = `/t/${encodeURIComponent(id)}`;
    const readable = await getTranscript(id, { ask: false }).then(() => true, () => false);
    show(this.#transcript, readable);
  }

  #button(key, onclick) {
    return h('button', { type: 'button', text: t(key), onclick });
  }

  /** M mutes, as in other rooms. */
  #key(event) {
    if (event.key !== 'm' || event.ctrlKey || event.metaKey || event.altKey || this.#session.phase !== 'live') return;
    if (event.target.closest('input:not([type=range]), textarea, select') || this.#session.listensOnly) return;
    this.#session.setMuted(!this.#session.muted);
  }

  #render() {
    const session = this.#session;
    const { phase, running } = session;
    document.body.dataset.phase = phase;
    const name = this.#room?.name ?? place;
    setText(this.#heading, name);
    document.title = t('title.room', { name });
    const outside = this.#room !== null && this.#room.platform !== 'builtin';
    show(this.#copy, this.#room !== null);
    show(this.#before, this.#room !== null && !running && !ENDS.includes(phase));
    show(this.#quiet, !outside);
    show(this.#over, ENDS.includes(phase));
    show(this.#people, running);
    show(this.#consent, running && session.asksConsent);
    const answer = session.soundDenied ? 'no' : 'yes';
    const isAnswered = running && (session.soundDenied || session.consent !== null);
    setText(this.#answered, isAnswered ? t(`consent.thanks.${answer}`) : '');
    show(this.#answered, isAnswered);
    if (ENDS.includes(phase)) setText(this.#overDo, t(session.writing ? 'state.finishing' : `room.${phase}.do`));
    show(this.#dock, running);
    show(this.#words, running || !this.#words.empty);
    show(this.#waiting, phase === 'live' && this.#words.empty);
    show(this.#end, running && session.isHost);
    show(this.#mute, !session.listensOnly);
    show(this.#meter, !session.listensOnly);
    this.#what.textContent = t(outside ? 'room.what.elsewhere' : this.#room?.recording_type === 'none' ? 'room.what.unkept' : 'room.what');
    this.#renderMute(session.muted);
    const own = { speaking: performance.now() - this.#loudAt < SPEAKING_MS };
    this.#people.show(session.people.map((person) => ({
      id: person.id,
      name: person.name,
      colour: this.#words.colourOf(person.name),
      me: person.id === session.participantId,
      state: doing(person, session, own),
    })));
    // Who listens is silent, and all is well; who was never heard may be muted without knowing.
    this.#state.show(roomWords(session, { silent: this.#silent && this.#loudAt === -Infinity }));
  }

  #renderMute(muted) {
    if (this.#mute.dataset.muted === String(muted)) return;
    this.#mute.dataset.muted = String(muted);
    this.#mute.title = t('room.mute.key');
    this.#mute.replaceChildren(icon(...ICONS[muted ? 'muted' : 'microphone']), h('span', { text: t(muted ? 'room.unmute' : 'room.mute') }));
  }
}

await new RoomPage().build();

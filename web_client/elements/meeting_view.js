// A meeting that a bot attended: who took part, a picture of who spoke when, what was written, and each to be heard alone.

import { h, icon, ICONS, show } from '../js/dom.js';
import { clock } from '../js/format.js';
import { Lanes } from '../js/lanes.js';
import { MomentList, momentLine, turnList } from '../js/moment_list.js';
import { t } from '../js/strings.js';
import { lengthOf, turnsOf } from '../js/stretches.js';

/** What a row's button does: hear them alone, or stop that. */
const tellHeard = (button, playing) => {
  button.setAttribute('aria-pressed', playing);
  button.replaceChildren(icon(...ICONS[playing ? 'pause' : 'play']));
};

const calledTo = (to) => (['everyone', 'only_bot'].includes(to) ? t(`meeting.chat.${to}`) : to);

/** Events: `go` (detail: seconds since the recording began) and `listen` (detail: a participant of those it shows). */
class MeetingView extends HTMLElement {
  #lanes = new Lanes({
    label: t('meeting.people'),
    describe: (endS) => t('meeting.picture', { end: clock(endS) }),
    row: { make: (person) => this.#row(person), update: (row, person) => this.#dress(row, person) },
    go: (time) => this.#tell('go', time),
  });
  #turns = turnList((time) => this.#tell('go', time));
  #chat = new MomentList({
    keyOf: ({ number }) => number,
    make: ({ start, to, text, name }) =>
      momentLine({ start, name, beside: to && t('meeting.chat.to', { to: calledTo(to) }), text }, (time) => this.#tell('go', time)),
    update: (element, { name }) => (element.querySelector('b').textContent = name),
  });
  #inWords = h('details', { class: 'in-words' }, h('summary', { text: t('talk.words') }), this.#turns.element);
  #written = h('div', { class: 'written', hidden: true }, h('h3', { text: t('meeting.chat') }), this.#chat.element);
  #shown = null;
  #heard = {};

  connectedCallback() {
    if (this.hasChildNodes()) return;
    const keys = ['spoke', 'there', 'shown', 'wrote'].map((what) =>
      h('span', { class: `key ${what}` }, h('span', { class: 'swatch', 'aria-hidden': 'true' }), t(`meeting.legend.${what}`)));
    this.append(h('p', { class: 'muted hint', text: t('talk.hint') }), this.#lanes.element, h('p', { class: 'legend muted' }, ...keys), this.#inWords, this.#written);
    this.#inWords.addEventListener('toggle', () => this.#tellTurns());
  }

  /**
   * `people`: as `peopleOf` gives them, each with a `name` and its `colour`; `chats`: `[{number, id, name, start, text, to}]`, in order of
   * time; `audible`: there is sound.
   */
  show({ people, chats, endS, audible }) {
    this.#shown = { people };
    const wrote = new Map();
    for (const { id, start } of chats) {
      if (!wrote.has(id)) wrote.set(id, []);
      wrote.get(id).push(start);
    }
    this.#lanes.show({ people, wrote, endS, audible });
    this.#tellTurns();
    this.#write(people, chats);
  }

  /** Where the player is, and whom it plays: `{time, track, playing}`. */
  set heard(heard) {
    this.#lanes.time = heard.time;
    const before = this.#heard;
    this.#heard = heard;
    if (heard.track === before.track && heard.playing === before.playing) return;
    for (const row of this.#lanes.rows) this.#mark(row);
  }

  #mark(row) {
    const button = row.querySelector('button');
    const { track, playing } = this.#heard;
    tellHeard(button, Boolean(playing) && track !== null && row.dataset.track === track);
  }

  #row({ id, track }) {
    const listen = () => this.#tell('listen', this.#shown.people.find((person) => person.id === id));
    return h('li', { class: 'lane-who', 'data-track': track }, h('button', { type: 'button', class: 'listen', onclick: listen }),
      h('span', { class: 'who-text' }, h('span', { class: 'who-name', dir: 'auto' }), h('span', { class: 'muted who-facts' })));
  }

  #dress(row, { name, isHost, isHere, there, spoke, track, colour }) {
    const facts = [
      ...(isHost ? [t('meeting.host')] : []),
      ...(there.length ? [t(isHere ? 'meeting.there.now' : 'meeting.there', { from: clock(there[0][0]), to: clock(there.at(-1)[1]) })] : []),
      ...(spoke.length ? [t('meeting.spoke', { time: clock(lengthOf(spoke)) })] : isHere ? [] : [t('meeting.silent')]),
    ].join(' · ');
    const button = row.querySelector('button');
    row.dataset.speaker = colour;
    row.title = `${name}\n${facts}`;
    row.dataset.track = track ?? '';
    button.style.visibility = track ? '' : 'hidden';
    button.setAttribute('aria-label', t('meeting.play', { name }));
    row.querySelector('.who-name').textContent = name;
    row.querySelector('.who-facts').textContent = facts;
    this.#mark(row);
  }

  #tellTurns() {
    if (this.#inWords.open && this.#shown) this.#turns.show(turnsOf(this.#shown.people));
  }

  /** While it is going on the newest message stays in sight, but for a reader who went back. */
  #write(people, chats) {
    const box = this.#written;
    const follows = people.some(({ isHere }) => isHere) && box.scrollTop + box.clientHeight > box.scrollHeight - 8;
    show(box, chats.length > 0);
    this.#chat.show(chats);
    if (follows) box.scrollTop = box.scrollHeight;
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

customElements.define('meeting-view', MeetingView);

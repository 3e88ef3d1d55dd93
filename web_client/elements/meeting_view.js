// A meeting that a bot attended: who took part, a picture of who spoke when, what was written, and each to be heard alone.

import { h, icon, ICONS, show } from '../js/dom.js';
import { clock } from '../js/format.js';
import { showKeyed } from '../js/keyed.js';
import { lengthOf, turnsOf } from '../js/meeting.js';
import { AXIS_PX, drawAxis, drawLanes, NARROW, shape, WIDE } from '../js/meeting_drawing.js';
import { t } from '../js/strings.js';

const AT_ONCE = 200; // lines of a list, the newest, until somebody wants those before them
const narrow = matchMedia('(max-width: 40rem)'); // as in meeting.css

/** What a row's button does: hear them alone, or stop that. */
const tellHeard = (button, playing) => {
  button.setAttribute('aria-pressed', playing);
  button.replaceChildren(icon(...ICONS[playing ? 'pause' : 'play']));
};

const calledTo = (to) => (['everyone', 'only_bot'].includes(to) ? t(`meeting.chat.${to}`) : to);

/** Lines in order of time, of which the newest are shown first. `parts`: as of `showKeyed`. */
class LineList {
  #shown = AT_ONCE;
  #list = h('ol', { class: 'moments' });
  #more = h('button', { type: 'button', class: 'link', text: t('meeting.before'), onclick: () => this.#before() });
  #items = [];
  #parts;
  element = h('div', {}, this.#more, this.#list);

  constructor(parts) {
    this.#parts = parts;
  }

  show(items) {
    this.#items = items;
    showKeyed(this.#list, items.slice(-this.#shown), this.#parts);
    show(this.#more, items.length > this.#shown);
  }

  #before() {
    this.#shown += AT_ONCE;
    this.show(this.#items);
    this.#list.querySelector('button')?.focus();
  }
}

/** Events: `go` (detail: seconds since the recording began) and `listen` (detail: a participant of those it shows). */
class MeetingView extends HTMLElement {
  #axis = shape('svg', { class: 'axis', height: AXIS_PX, 'aria-hidden': 'true' });
  #people = h('ul', { class: 'lane-names' });
  #lanes = shape('svg', { role: 'img' });
  #cursor = h('div', { class: 'cursor', hidden: true });
  #box = h('div', { class: 'timeline' }, this.#lanes, this.#cursor);
  #meeting = h('div', { class: 'meeting', role: 'group', 'aria-label': t('meeting.people') }, this.#axis, this.#people, this.#box);
  #turns = new LineList({
    keyOf: ({ id, from }) => `${id} ${from}`,
    make: ({ from, name }) => this.#line(from, name, '-'),
    update: (element, { to, from, name }) => {
      element.querySelector('b').textContent = name;
      element.querySelector('.muted').textContent = ` ${t('meeting.turn', { from: clock(from), to: clock(to) })}`;
    },
  });
  #chat = new LineList({
    keyOf: ({ number }) => number,
    make: ({ start, to, text, name }) => this.#line(start, name, to && t('meeting.chat.to', { to: calledTo(to) }), text),
    update: (element, { name }) => (element.querySelector('b').textContent = name),
  });
  #inWords = h('details', { class: 'in-words' }, h('summary', { text: t('meeting.words') }), this.#turns.element);
  #written = h('div', { class: 'written', hidden: true }, h('h3', { text: t('meeting.chat') }), this.#chat.element);
  #endS = 1;
  #shown = null;
  #heard = {};
  #time = null;

  connectedCallback() {
    if (this.hasChildNodes()) return;
    const keys = ['spoke', 'there', 'shown', 'wrote'].map((what) =>
      h('span', { class: `key ${what}` }, h('span', { class: 'swatch', 'aria-hidden': 'true' }), t(`meeting.legend.${what}`)));
    this.append(h('p', { class: 'muted hint', text: t('meeting.hint') }), this.#meeting, h('p', { class: 'legend muted' }, ...keys), this.#inWords, this.#written);
    this.#box.addEventListener('click', (event) => {
      const { left, width } = this.#box.getBoundingClientRect();
      this.#tell('go', Math.max(0, Math.min(1, (event.clientX - left) / width)) * this.#endS);
    });
    this.#inWords.addEventListener('toggle', () => this.#draw());
    narrow.addEventListener('change', () => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(this.#box);
  }

  /**
   * `people`: as `peopleOf` gives them, each with a `name` and its `colour`; `chats`: `[{number, id, name, start, text, to}]`, in order of
   * time; `audible`: there is sound.
   */
  show({ people, chats, endS, audible }) {
    this.#shown = { people, chats, audible };
    this.#endS = Math.max(endS, 1);
    this.#draw();
  }

  /** Where the player is, and whom it plays: `{time, track, playing}`. */
  set heard(heard) {
    this.#time = heard.time;
    this.#place();
    const before = this.#heard;
    this.#heard = heard;
    if (heard.track === before.track && heard.playing === before.playing) return;
    for (const row of this.#people.children) this.#mark(row);
  }

  #mark(row) {
    const button = row.querySelector('button');
    const { track, playing } = this.#heard;
    tellHeard(button, Boolean(playing) && track !== null && row.dataset.track === track);
  }

  #place() {
    const visible = Boolean(this.#shown?.audible) && this.#time !== null && this.#time <= this.#endS;
    show(this.#cursor, visible);
    if (visible) this.#cursor.style.insetInlineStart = `${(this.#time / this.#endS) * 100}%`;
  }

  #row = ({ id, track }) => {
    const listen = () => this.#tell('listen', this.#shown.people.find((person) => person.id === id));
    return h('li', { class: 'lane-who', 'data-track': track }, h('button', { type: 'button', class: 'listen', onclick: listen }),
      h('span', { class: 'who-text' }, h('span', { class: 'who-name', dir: 'auto' }), h('span', { class: 'muted who-facts' })));
  };

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

  #line(start, name, beside = '', text = '') {
    return h('li', {}, h('button', { type: 'button', class: 'moment', onclick: () => this.#tell('go', start) },
      h('span', { class: 'moment-time', text: clock(start) }),
      h('span', { class: 'moment-text' },
        h('b', { dir: 'auto', text: name }), beside ? h('span', { class: 'muted', text: ` ${beside}` }) : null,
        text ? h('span', { class: 'what', dir: 'auto', text }) : null)));
  }

  #draw() {
    if (!this.#shown) return;
    const { people, chats, audible } = this.#shown;
    this.#meeting.classList.toggle('soundless', !audible);
    showKeyed(this.#people, people, { keyOf: ({ id }) => id, make: this.#row, update: (row, person) => this.#dress(row, person) });
    const width = this.#box.clientWidth;
    if (width) this.#picture(people, chats, width);
    if (this.#inWords.open) this.#turns.show(turnsOf(people));
    this.#write(people, chats);
    this.#place();
    // What scrolls is reached with the keyboard, though nothing in it may be.
    if (this.#meeting.scrollHeight > this.#meeting.clientHeight) this.#meeting.tabIndex = 0;
    else this.#meeting.removeAttribute('tabindex');
  }

  /** While it is going on the newest message stays in sight, but for a reader who went back. */
  #write(people, chats) {
    const box = this.#written;
    const follows = people.some(({ isHere }) => isHere) && box.scrollTop + box.clientHeight > box.scrollHeight - 8;
    show(box, chats.length > 0);
    this.#chat.show(chats);
    if (follows) box.scrollTop = box.scrollHeight;
  }

  #picture(people, chats, width) {
    const size = narrow.matches ? NARROW : WIDE;
    const wrote = new Map();
    for (const { id, start } of chats) {
      if (!wrote.has(id)) wrote.set(id, []);
      wrote.get(id).push(start);
    }
    this.#axis.setAttribute('width', width);
    this.#lanes.setAttribute('width', width);
    this.#lanes.setAttribute('height', people.length * size.row);
    this.#lanes.setAttribute('aria-label', t('meeting.picture', { end: clock(this.#endS) }));
    drawAxis(this.#axis, this.#endS, width);
    drawLanes(this.#lanes, people, wrote, { endS: this.#endS, width, ...size });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

customElements.define('meeting-view', MeetingView);

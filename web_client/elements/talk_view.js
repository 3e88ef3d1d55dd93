// Who spoke how much: a bar for each, a picture of who spoke when, and the same in words and in figures.

import '../js/speakers_strings.js';
import { h, show } from '../js/dom.js';
import { clock } from '../js/format.js';
import { Lanes } from '../js/lanes.js';
import { turnList } from '../js/moment_list.js';
import { t } from '../js/strings.js';
import { turnsOf } from '../js/stretches.js';

const rounded = (value) => (value === null ? null : Math.round(value));
const COLUMNS = [
  ['time', (one) => clock(one.talk_time)],
  ['turns', (one) => one.turns],
  ['longest', (one) => clock(one.longest_turn)],
  ['said', (one) => one.words],
  ['pace', (one) => rounded(one.words_per_minute)],
];
const SEEN = [['interruptions', (one) => one.interruptions], ['interrupted', (one) => one.interrupted]]; // where tracks are separate

/** Events: `go` (detail: seconds) and `figures`, when somebody wants to see them. */
class TalkView extends HTMLElement {
  #lanes = new Lanes({
    label: t('talk.people'),
    describe: (endS) => t('talk.picture', { end: clock(endS) }),
    row: { make: () => this.#row(), update: (row, speaker) => this.#dress(row, speaker) },
    go: (time) => this.#tell('go', time),
  });
  #turns = turnList((time) => this.#tell('go', time));
  #inWords = h('details', { class: 'in-words' }, h('summary', { text: t('talk.words') }), this.#turns.element);
  #figures = h('table');
  #table = h('div', { class: 'figures', role: 'region', tabindex: 0, 'aria-label': t('talk.figures') }, this.#figures);
  #note = h('p', { class: 'muted hint', role: 'status' });
  #inFigures = h('details', { class: 'in-words' }, h('summary', { text: t('talk.figures') }), show(this.#table, false), this.#note);
  #speakers = [];

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.append(h('p', { class: 'muted hint', text: t('talk.hint') }), this.#lanes.element, this.#inWords, this.#inFigures);
    this.#inWords.addEventListener('toggle', () => this.#tellTurns());
    this.#inFigures.addEventListener('toggle', () => this.wantsFigures && this.#tell('figures'));
  }

  get wantsFigures() {
    return this.#inFigures.open;
  }

  /** `speakers`: as `talkOf` gives them, each with its `colour`. */
  show({ speakers, endS, audible }) {
    this.#speakers = speakers.map((one) => ({ ...one, id: one.label, there: [], shown: [] }));
    this.#lanes.show({ people: this.#speakers, endS, audible });
    this.#tellTurns();
  }

  set time(time) {
    this.#lanes.time = time;
  }

  /** As the server counts; null: it could not be asked. */
  set figures(found) {
    show(this.#table, found !== null);
    this.#note.textContent = t('talk.figures.failed');
    if (found === null) return;
    const { speakers } = found;
    const columns = speakers.some(({ interruptions }) => interruptions !== null) ? [...COLUMNS, ...SEEN] : COLUMNS;
    this.#figures.replaceChildren(
      h('thead', {}, h('tr', {}, ...['speaker', ...columns.map(([name]) => name)].map((name) => h('th', { scope: 'col', text: t(`talk.${name}`) })))),
      h('tbody', {}, ...speakers.map((one) => h('tr', {},
        h('th', { scope: 'row', dir: 'auto', text: one.speaker }),
        ...columns.map(([, valueOf]) => h('td', { text: valueOf(one) ?? '–' }))))));
    this.#note.textContent = speakers.some(({ interruptions }) => interruptions === null) ? t('talk.unseen') : '';
  }

  #row() {
    return h('li', { class: 'lane-who talks' }, h('span', { class: 'who-text' },
      h('span', { class: 'who-name', dir: 'auto' }),
      h('span', { class: 'who-talk' },
        h('span', { class: 'talk-bar', 'aria-hidden': 'true' }, h('span', { class: 'talk-part' })), h('span', { class: 'muted who-facts' }))));
  }

  #dress(row, { name, colour, talkS, share }) {
    const facts = t('talk.share', { time: clock(talkS), percent: Math.round(share * 100) });
    row.dataset.speaker = colour;
    row.title = `${name}\n${facts}`;
    row.querySelector('.who-name').textContent = name;
    row.querySelector('.who-facts').textContent = facts;
    row.querySelector('.talk-part').style.inlineSize = `${(share * 100).toFixed(2)}%`;
  }

  #tellTurns() {
    if (this.#inWords.open) this.#turns.show(turnsOf(this.#speakers));
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

customElements.define('talk-view', TalkView);

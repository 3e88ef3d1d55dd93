// What the inference loop does: figures, a timeline for each worker, the legend, tables. Shows what it is given.

import './loop_tables.js';
import './loop_timeline.js';
import { h, show } from '../js/dom.js';
import { tenths, timeOfDay } from '../js/format.js';
import { KINDS } from '../js/loop_minute.js';
import { has, t } from '../js/strings.js';
import { ms, percent } from './loop_timeline.js';

const EVENTS = 8;
const RARE_EVENTS = 5; // of them, at most, that a guard which strikes every second does not push out
const LATE_MS = 1000; // words that come within a second feel live

class LoopView extends HTMLElement {
  #engine = h('p', { class: 'muted loop-engine' });
  #gaveUp = show(h('p', { class: 'loop-gave-up' }), false);
  #figures = h('dl', { class: 'loop-figures' });
  #workers = h('div', { class: 'loop-workers' });
  #events = h('ul', { class: 'loop-events' });
  #tables = document.createElement('loop-tables');
  #sections = new Map(); // a worker's index -> {title, facts, timeline}

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.append(this.#engine, this.#gaveUp, this.#figures, this.#workers, legend(), this.#events, this.#tables);
  }

  /** `answer` is the server's newest, `minute` a LoopMinute, `nowMs` where its right edge stands. */
  show(answer, minute, nowMs) {
    const { state, model, engine, device } = answer.engine;
    this.#engine.textContent = t('loop.engine', { name: model || engine, device: device || '–', state: stateName(state) });
    this.#gaveUp.textContent = t('loop.gave.up', { count: answer.gave_up });
    show(this.#gaveUp, answer.gave_up > 0);
    this.#showFigures(answer);
    for (const worker of answer.workers) this.#showWorker(worker, minute, nowMs);
    this.#showEvents(minute.notes);
    this.#tables.show(minute.steps, answer.sessions);
  }

  #showFigures({ workers, sessions }) {
    const sum = (name) => workers.reduce((total, worker) => total + (worker[name] ?? 0), 0);
    const most = (name) => Math.max(0, ...workers.map((worker) => worker[name] ?? 0));
    const behindMs = Math.max(0, ...sessions.furthest.filter(([, lane]) => lane !== 'file').map(([, , lagMs]) => lagMs));
    const guards = workers.reduce((total, { guard_hits: hits = {} }) => total + Object.values(hits).reduce((a, b) => a + b, 0), 0);
    const figures = [
      ['sessions', sessions.files ? t('loop.figure.both', sessions) : sessions.live],
      ['behind', sessions.live ? t('loop.seconds', { value: tenths(behindMs / 1000) }) : '–', behindMs > LATE_MS],
      ['busy', percent(most('busy'))],
      ['waiting', sum('waiting')],
      ['cadence', most('interim_ms') ? ms(most('interim_ms')) : '–'],
      ['dropped', sum('interims_dropped')],
      ['guards', guards],
      ['lost', sum('restarts'), sum('restarts') > 0],
    ];
    this.#figures.replaceChildren(...figures.map(([name, value, warn]) =>
      h('div', { class: warn && 'warn', 'data-figure': name }, h('dt', { text: t(`loop.figure.${name}`) }), h('dd', { text: String(value) }))));
  }

  #section(index) {
    if (!this.#sections.has(index)) {
      const section = {
        title: h('h2', { text: t('loop.worker', { index }) }),
        facts: h('p', { class: 'loop-facts' }),
        timeline: document.createElement('loop-timeline'),
      };
      this.#sections.set(index, section);
      const head = h('div', { class: 'row' }, section.title, section.facts);
      this.#workers.append(h('section', { class: 'loop-worker' }, head, section.timeline));
    }
    return this.#sections.get(index);
  }

  #showWorker(worker, minute, nowMs) {
    const { facts, timeline } = this.#section(worker.index);
    const known = [
      stateName(worker.state),
      t('loop.fact.sessions', { count: worker.sessions }),
      worker.busy === undefined ? null : t('loop.fact.busy', { share: percent(worker.busy) }),
      worker.resident_mb ? `${Math.round(worker.resident_mb)} MB` : null,
    ];
    facts.textContent = known.filter(Boolean).join(' · ');
    facts.dataset.state = worker.state;
    const notes = minute.notes.filter((note) => note.worker === worker.index);
    timeline.show({ steps: minute.of(worker.index), notes, nowMs, windowMs: minute.windowMs }, t('loop.worker', { index: worker.index }));
  }

  #showEvents(notes) {
    const told = newest(notes).map(({ what, worker, detail, atMs }) => (
      h('li', { class: what, text: t(`loop.event.${what}`, { index: worker, detail, time: timeOfDay(atMs) }) })));
    this.#events.replaceChildren(...told);
  }
}

function newest(notes) {
  const rare = new Set(notes.filter(({ what }) => what !== 'guard').slice(-RARE_EVENTS));
  const others = new Set(notes.filter((note) => !rare.has(note)).slice(rare.size - EVENTS));
  return notes.filter((note) => rare.has(note) || others.has(note));
}

const stateName = (state) => (has(`loop.state.${state}`) ? t(`loop.state.${state}`) : state);

function legend() {
  return h('div', { class: 'loop-legend' },
    h('ul', {}, ...KINDS.map((kind) => h('li', {}, h('span', { class: `loop-kind ${kind}`, text: t(`loop.kind.${kind}`) }), h('span', { class: 'muted', text: t(`loop.kind.${kind}.what`) })))),
    h('p', { class: 'muted', text: t('loop.legend') }));
}

customElements.define('loop-view', LoopView);

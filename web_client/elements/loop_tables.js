// The last minute in numbers: by kind of step, the sessions furthest behind, and the newest steps one by one.

import { h } from '../js/dom.js';
import { tenths, timeOfDay } from '../js/format.js';
import { KINDS, listenUs, summary } from '../js/loop_minute.js';
import { t } from '../js/strings.js';
import { percent, stepRows } from './loop_timeline.js';

const NEWEST = 25;
const LAG_SHOWN_MS = 5000; // where a bar of lag is full

/** `words` is how many columns at the left hold words; the others hold numbers. */
function table(caption, heads, rows, words = 1) {
  const cell = (tag, content, i) => h(tag, { class: i >= words && 'number', scope: tag === 'th' && 'col' }, content);
  return h('table', {},
    h('caption', { text: caption }),
    h('thead', {}, h('tr', {}, ...heads.map((head, i) => cell('th', head, i)))),
    h('tbody', {}, ...rows.map((row) => h('tr', {}, ...row.map((content, i) => cell('td', content, i))))));
}

const percentage = (share) => `${Math.round(share * 100)}%`;
const kindName = (kind) => h('span', { class: `loop-kind ${kind}`, text: t(`loop.kind.${kind}`) });

class LoopTables extends HTMLElement {
  #kinds = h('div', { class: 'loop-table' });
  #listen = h('p', { class: 'muted' });
  #sessions = h('div', { class: 'loop-table loop-sessions' });
  #newest = h('div', { class: 'loop-table' });
  #details = h('details', {}, h('summary', { text: t('loop.newest') }), this.#newest);
  #steps = [];

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.append(this.#kinds, this.#listen, this.#sessions, this.#details);
    this.#details.addEventListener('toggle', () => this.#showNewest());
  }

  /** `sessions` as the server tells them: `{live, files, furthest: [[id, lane, lag_ms], ...]}`. */
  show(steps, sessions) {
    this.#steps = steps;
    this.#showKinds(steps);
    this.#showSessions(sessions.furthest);
    this.#showNewest();
  }

  #showKinds(steps) {
    const spread = ([p50, p95]) => `${Math.round(p50)} / ${Math.round(p95)}`;
    const rows = KINDS.map((kind) => summary(steps, kind)).filter(Boolean).map((of) => [
      kindName(of.kind), String(of.count), h('span', {}, tenths(of.rows), h('span', { class: 'loop-fill', text: ` (${percent(of.fill)})` })), spread(of.waitMs), spread(of.runMs),
    ]);
    const heads = ['kind', 'steps', 'rows', 'waited', 'took'].map((head) => t(`loop.head.${head}`));
    this.#kinds.replaceChildren(rows.length ? table(t('loop.kinds'), heads, rows) : h('p', { class: 'muted', text: t('loop.still') }));
    const us = listenUs(steps);
    this.#listen.textContent = us === null ? '' : t('loop.listen', { value: Math.round(us) });
  }

  #showSessions(furthest) {
    if (!furthest.length) {
      this.#sessions.replaceChildren();
      return;
    }
    const rows = furthest.map(([id, lane, lagMs]) => {
      const bar = h('i', { class: 'loop-lag' });
      bar.style.width = percentage(Math.min(1, lagMs / LAG_SHOWN_MS));
      return [h('span', {}, h('code', { text: id }), lane === 'file' ? ` ${t('loop.file')}` : ''), h('span', { class: 'loop-behind' }, bar), t('loop.seconds', { value: tenths(lagMs / 1000) })];
    });
    this.#sessions.replaceChildren(table(t('loop.furthest'), [t('loop.head.session'), '', t('loop.head.behind')], rows, 2));
  }

  #showNewest() {
    if (!this.#details.open) return;
    const several = this.#steps.some((step) => step.worker !== this.#steps[0].worker);
    const rows = this.#steps.slice(-NEWEST).reverse().map((step) => [
      kindName(step.kind), timeOfDay(step.endMs), several && String(step.worker), stepRows(step), String(Math.round(step.waitMs)), String(Math.round(step.runMs)),
    ].filter(Boolean));
    const heads = ['kind', 'ended', several && 'worker', 'rows', 'waited', 'took'].filter(Boolean).map((head) => t(`loop.head.${head}`));
    this.#newest.replaceChildren(table(t('loop.newest.what'), heads, rows));
  }
}

customElements.define('loop-tables', LoopTables);

// Lines in order of time, each of which leads to its moment.

import './speakers_strings.js';
import { h, show } from './dom.js';
import { clock } from './format.js';
import { showKeyed } from './keyed.js';
import { t } from './strings.js';

const AT_ONCE = 200; // lines of a list, the newest, until somebody wants those before them

/** A line: when, who, and what of them. `go(time)` is told when it is pressed. */
export function momentLine({ start, name, beside = '', text = '' }, go) {
  return h('li', {}, h('button', { type: 'button', class: 'moment', onclick: () => go(start) },
    h('span', { class: 'moment-time', text: clock(start) }),
    h('span', { class: 'moment-text' },
      h('b', { dir: 'auto', text: name }), beside ? h('span', { class: 'muted', text: ` ${beside}` }) : null,
      text ? h('span', { class: 'what', dir: 'auto', text }) : null)));
}

/** Of which the newest are shown first. `parts`: as of `showKeyed`. */
export class MomentList {
  #shown = AT_ONCE;
  #list = h('ol', { class: 'moments' });
  #more = h('button', { type: 'button', class: 'link', text: t('talk.before'), onclick: () => this.#before() });
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

/** Of who spoke when: `[{id, name, from, to}]`. */
export const turnList = (go) => new MomentList({
  keyOf: ({ id, from }) => `${id} ${from}`,
  make: ({ from, name }) => momentLine({ start: from, name, beside: '-' }, go),
  update: (element, { to, from, name }) => {
    element.querySelector('b').textContent = name;
    element.querySelector('.muted').textContent = ` ${t('talk.turn', { from: clock(from), to: clock(to) })}`;
  },
});

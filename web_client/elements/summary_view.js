// What a transcript says in short: a paragraph, its points, what is to be done, and what it is about.

import { h, show } from '../js/dom.js';
import { t } from '../js/strings.js';

const LISTS = [['key_points', 'summary.points'], ['action_items', 'summary.tasks']];

class SummaryView extends HTMLElement {
  /** `summary`: as in the `summary` message, or in the record of a transcript. True where there is something to show. */
  show(summary) {
    const { summary: text = '', topics = [], method = '' } = summary ?? {};
    const lists = LISTS.map(([field, key]) => [t(key), (summary?.[field] ?? []).filter((each) => each !== text)]);
    const given = Boolean(text || topics.length || lists.some(([, each]) => each.length));
    this.replaceChildren(
      ...(text ? [h('p', { class: 'summary-words', dir: 'auto', text })] : []),
      ...lists.filter(([, each]) => each.length).map(([title, each]) => h('section', {},
        h('h3', { text: title }), h('ul', {}, ...each.map((line) => h('li', { dir: 'auto', text: line }))))),
      ...(topics.length ? [h('p', { class: 'summary-topics', dir: 'auto', text: topics.join(' · ') })] : []),
      ...(given && method ? [h('p', { class: 'muted hint', text: t(`summary.by.${method}`) })] : []));
    show(this, given);
    return given;
  }
}

customElements.define('summary-view', SummaryView);

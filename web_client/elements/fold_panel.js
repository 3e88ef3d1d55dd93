// A part of the page that is folded away until somebody wants it.

import { h } from '../js/dom.js';

/** `panel(title, ...children)`: a disclosure; `count` of it is set by `tell(text)`. */
export function foldPanel(title, ...children) {
  const count = h('span', { class: 'panel-count muted' });
  const element = h('details', { class: 'panel' },
    h('summary', {}, h('span', { text: title }), count),
    h('div', { class: 'panel-inside' }, ...children));
  return { element, tell: (text) => (count.textContent = text) };
}

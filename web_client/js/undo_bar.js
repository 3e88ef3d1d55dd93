// What was done last, said at the foot of the page, and how to take it back.

import { h, show } from './dom.js';
import { t } from './strings.js';

/** Returns the element, and `tell(text, takeBack)`: without `takeBack` it is only said; without a text, nothing is. */
export function undoBar() {
  let undoing = null;
  const told = h('span', { role: 'status', dir: 'auto' });
  const undo = h('button', { type: 'button', text: t('give.undo'), onclick: () => undoing() });
  const close = h('button', { type: 'button', class: 'quiet', text: t('give.close'), onclick: () => tell('') });
  const element = h('div', { class: 'row' }, told, undo, close);

  function tell(text, takeBack = null) {
    undoing = takeBack;
    told.textContent = text;
    show(undo, Boolean(takeBack));
    show(close, Boolean(text));
    element.classList.toggle('empty', !text);
  }

  tell('');
  return { element, tell };
}

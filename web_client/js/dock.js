// The dock at the lower edge of a page; how high it is decides where "back to live" floats and what counts as in sight.

import { h } from './dom.js';

export function dock(...children) {
  const element = h('div', { class: 'dock' }, ...children);
  new ResizeObserver(() => {
    document.documentElement.style.setProperty('--dock-height', `${element.offsetHeight}px`);
  }).observe(element);
  return element;
}

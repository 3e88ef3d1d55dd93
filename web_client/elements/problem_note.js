// Something went wrong: what happened, and what to do about it.

import { h, show } from '../js/dom.js';
import { has, t } from '../js/strings.js';

class ProblemNote extends HTMLElement {
  connectedCallback() {
    this.setAttribute('role', 'alert');
    if (!this.hasChildNodes()) show(this, false);
  }

  /** `{key, fallback, values}` of live_session.problemOf; each key has a `.do` with the advice. `actions` are buttons. */
  show({ key, fallback, values = {} }, actions = []) {
    const known = has(key) ? key : (fallback ?? 'problem.other');
    this.replaceChildren(
      h('p', { class: 'problem-what', text: t(known, values) }),
      h('p', { class: 'problem-do', text: t(`${known}.do`, values) }),
      ...(actions.length ? [h('div', { class: 'row' }, ...actions)] : []),
    );
    show(this, true);
  }

  clear() {
    this.replaceChildren();
    show(this, false);
  }
}

customElements.define('problem-note', ProblemNote);

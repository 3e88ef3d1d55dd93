// Asks whether the sound of a meeting may be kept, and says what was answered. Nothing waits for the answer.

import { h } from '../js/dom.js';
import { t } from '../js/strings.js';

/** Events: `answer` (detail: true or false). */
class ConsentQuestion extends HTMLElement {
  connectedCallback() {
    if (this.hasChildNodes()) return;
    const button = (text, given, primary) =>
      h('button', { type: 'button', class: primary && 'primary', text, onclick: () => this.#answer(given) });
    this.setAttribute('role', 'region');
    this.setAttribute('aria-labelledby', 'consent-question');
    this.append(
      h('div', { class: 'consent-text' },
        h('p', { class: 'consent-what', id: 'consent-question', text: t('consent.question') }),
        h('p', { class: 'muted', text: t('consent.what') })),
      h('div', { class: 'row' }, button(t('consent.yes'), true, true), button(t('consent.no'), false)));
  }

  #answer(given) {
    for (const button of this.querySelectorAll('button')) button.disabled = true;
    this.dispatchEvent(new CustomEvent('answer', { detail: given }));
  }

  /** The answer did not arrive: it can be given again. */
  again() {
    for (const button of this.querySelectorAll('button')) button.disabled = false;
  }
}

customElements.define('consent-question', ConsentQuestion);

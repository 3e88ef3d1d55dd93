// Voices that are recognised in later recordings: one is added once the person agreed, and taken away at any time.

import '../js/speakers_strings.js';
import { h, show } from '../js/dom.js';
import { when } from '../js/format.js';
import { t } from '../js/strings.js';

/** Events: `enrol` (detail: `{label, name}`), once consent was given, and `forget` (detail: `{id, name}`). */
class KnownVoices extends HTMLElement {
  #who = h('select', { id: 'known-who' });
  #begin = h('button', { type: 'button', text: t('voices.enrol'), onclick: () => this.#ask() });
  #form = h('div', { class: 'row known-form' }, h('label', { for: 'known-who', text: t('voices.whose') }), this.#who, this.#begin);
  #question = h('p', { class: 'known-what', id: 'known-question', dir: 'auto' });
  #yes = h('button', { type: 'button', class: 'primary', text: t('voices.yes'), onclick: () => this.#answer(true) });
  #consent = h('div', { class: 'known-consent', role: 'region', 'aria-labelledby': 'known-question' },
    this.#question,
    h('p', { class: 'muted', text: t('voices.kept') }),
    h('div', { class: 'row' }, this.#yes, h('button', { type: 'button', text: t('voices.no'), onclick: () => this.#answer(false) })));
  #list = h('ul', { class: 'known-list' });
  #known = h('div', {}, h('h3', { text: t('voices.title') }), this.#list);
  #told = h('p', { class: 'muted', role: 'status' });
  #unnamed = h('p', { class: 'muted hint', text: t('voices.unnamed') });
  #asked = null;

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.append(this.#form, this.#unnamed, this.#consent, this.#told, this.#known);
    show(this.#consent, false);
    this.show(null, []);
  }

  /** `speakers`: `[{label, name}]` that may be enrolled, null where nobody may; `voices`: as the server lists them. */
  show(speakers, voices) {
    show(this.#unnamed, speakers?.length === 0);
    if (speakers && !this.contains(document.activeElement)) {
      const chosen = this.#who.value;
      this.#who.replaceChildren(...speakers.map(({ label, name }) => h('option', { value: label, text: name })));
      if (speakers.some(({ label }) => label === chosen)) this.#who.value = chosen;
    }
    show(this.#form, speakers?.length > 0 && !this.#asked);
    this.#list.replaceChildren(...voices.map((voice) => this.#row(voice)));
    show(this.#known, voices.length > 0);
  }

  /** What came of it; nothing is said of what a problem-note says. */
  tell(text) {
    this.#told.textContent = text;
  }

  #row({ id, name, created_at: at }) {
    const forget = () => confirm(t('voices.delete.sure', { name })) && this.dispatchEvent(new CustomEvent('forget', { detail: { id, name } }));
    return h('li', { 'data-id': id },
      h('span', { class: 'known-name', dir: 'auto', text: name }),
      h('span', { class: 'muted', text: when(at) }),
      h('button', { type: 'button', class: 'quiet', text: t('library.delete'), 'aria-label': t('voices.delete', { name }), onclick: forget }));
  }

  #ask() {
    const option = this.#who.selectedOptions[0];
    if (!option) return;
    this.#asked = { label: option.value, name: option.textContent };
    this.#question.textContent = t('voices.question', { name: this.#asked.name });
    this.tell('');
    show(this.#form, false);
    show(this.#consent, true);
    this.#yes.focus();
  }

  #answer(agreed) {
    const asked = this.#asked;
    this.#asked = null;
    show(this.#consent, false);
    show(this.#form, true);
    this.#begin.focus();
    if (agreed) this.dispatchEvent(new CustomEvent('enrol', { detail: asked }));
  }
}

customElements.define('known-voices', KnownVoices);

// By which recogniser a segment is heard again: asked in the line where it stands, one at a time.

import { h } from '../js/dom.js';
import { hearAgain } from '../js/jobs_api.js';
import { t } from '../js/strings.js';

/** Events: `heard` (detail: `{segment, answer, at}`), `problem` (detail: the error). */
class HearAgain extends HTMLElement {
  #select = h('select', { id: 'again-model' });
  #go = h('button', { type: 'submit', class: 'primary', text: t('files.again.go') });
  #said = h('span', { class: 'muted hint', role: 'status' });
  #asked = null; // {segment, at, from}
  #models = [];
  #job = '';

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.append(h('form', { class: 'again-form', onsubmit: (event) => this.#submit(event) },
      h('label', { for: 'again-model', text: t('files.again.by') }), this.#select,
      h('div', { class: 'row' }, this.#go, h('button', { type: 'button', text: t('cancel'), onclick: () => this.#close() }), this.#said)));
    this.addEventListener('keydown', (event) => event.key === 'Escape' && this.#close());
  }

  set job(id) {
    this.#job = id;
  }

  set models(models) {
    const chosen = this.#select.value;
    this.#models = models;
    this.#select.replaceChildren(
      h('option', { value: '', text: t('files.again.best') }), ...models.map(({ name }) => h('option', { value: name, text: name })));
    if (models.some(({ name }) => name === chosen)) this.#select.value = chosen;
  }

  /** Below the words of `at`; the focus goes back to `from`. */
  ask(segment, { at, from }) {
    this.#asked = { segment, at, from };
    if (!this.#select.options.length) this.models = this.#models;
    this.#busy(false);
    at.append(this);
    this.#select.focus();
  }

  #busy(value) {
    this.#go.disabled = value;
    this.#said.textContent = value ? t('files.again.going') : '';
  }

  #close() {
    this.remove();
    this.#asked?.from.focus();
    this.#asked = null;
  }

  async #submit(event) {
    event.preventDefault();
    const asked = this.#asked;
    if (!asked || this.#go.disabled) return;
    this.#busy(true);
    try {
      const answer = await hearAgain(this.#job, { segment: asked.segment, model: this.#select.value });
      this.dispatchEvent(new CustomEvent('heard', { detail: { ...asked, answer } }));
      if (this.#asked === asked) this.#close();
    } catch (error) {
      if (this.#asked === asked) this.#busy(false);
      this.dispatchEvent(new CustomEvent('problem', { detail: error }));
    }
  }
}

customElements.define('hear-again', HearAgain);

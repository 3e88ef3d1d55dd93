// What can be asked about a text: a summary, and questions. Only where the server answers them.

import './job_chat.js';
import './job_summary.js';
import { h, show } from '../js/dom.js';
import { languageModels } from '../js/jobs_api.js';
import { t } from '../js/strings.js';

const MISSING = new Set([404, 405]);
const EXTRACTIVE = 'extractive';

/** Events: `problem` (detail: the error), `play-from` (detail: `{time}`). */
class AskAbout extends HTMLElement {
  #summary = document.createElement('job-summary');
  #chat = document.createElement('job-chat');
  #select = h('select', { id: 'language-model', onchange: () => this.#choose() });
  #choice = h('div', { class: 'field' }, h('label', { for: 'language-model', text: t('files.ask.model') }), this.#select);
  #none = h('p', { class: 'muted hint', text: t('files.ask.none') });

  connectedCallback() {
    if (this.hasChildNodes()) return;
    show(this, false);
    this.append(show(this.#choice, false), show(this.#none, false), this.#summary, this.#chat);
    for (const each of [this.#summary, this.#chat]) {
      each.addEventListener('problem', ({ detail }) => this.dispatchEvent(new CustomEvent('problem', { detail })));
    }
    this.#chat.addEventListener('play-from', ({ detail }) => this.dispatchEvent(new CustomEvent('play-from', { detail })));
  }

  async open(id) {
    if (!this.hidden) return;
    this.#summary.job = id;
    this.#chat.job = id;
    try {
      this.#show(await languageModels());
    } catch (error) {
      if (!MISSING.has(error.status)) this.dispatchEvent(new CustomEvent('problem', { detail: error }));
    }
  }

  /** Without a language model the server only quotes, which is told before anybody asks. */
  #show(models) {
    const real = models.filter(({ id }) => id !== EXTRACTIVE);
    this.#select.replaceChildren(...models.map(({ id, name }) => h('option', { value: id, text: name || id })));
    if (real.length) this.#select.value = real[0].id;
    show(this.#choice, models.length > 1);
    show(this.#none, real.length === 0);
    show(this, true);
    this.#choose();
  }

  #choose() {
    this.#summary.model = this.#select.value || undefined;
    this.#chat.model = this.#select.value || undefined;
  }

  /** For the story page. */
  set story({ models, summary, messages }) {
    this.#show(models);
    this.#summary.show(summary);
    for (const message of messages) this.#chat.show(message);
  }
}

customElements.define('ask-about', AskAbout);

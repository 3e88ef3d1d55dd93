// By which recogniser files are heard: one that is here is chosen, another is fetched first, when somebody asks for it.

import { foldPanel } from './fold_panel.js';
import { models as catalogue } from '../js/api.js';
import { h, show } from '../js/dom.js';
import { size } from '../js/format.js';
import { fetchModel, fetchProgress, jobModels } from '../js/jobs_api.js';
import { Polling } from '../js/polling.js';
import { t } from '../js/strings.js';

const LOOK_MS = 1000;
const WHISPER = 'whisper-'; // a fetch is told by the long name

const isOf = ({ name }, fetching) => [name, `${WHISPER}${name}`].includes(fetching?.model);

/** Events: `problem` (detail: the error), `changed` (detail: the models that are here). */
class ModelChoice extends HTMLElement {
  #select = h('select', { id: 'model', 'aria-describedby': 'model-what', onchange: () => this.#describe() });
  #what = h('p', { id: 'model-what', class: 'muted hint', lang: 'en' });
  #rows = h('ul', { class: 'models' });
  #panel = foldPanel(t('files.models.more'), h('p', { class: 'muted', text: t('files.models.more.what') }), this.#rows);
  #said = h('p', { class: 'muted hint', role: 'status' });
  #models = [];
  #fetching = null; // what the server told last of a fetch: {model, state, progress, message}
  #polling = new Polling((signal) => this.#look(signal), () => (this.#fetching?.state === 'pulling' ? LOOK_MS : 0));

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.append(
      h('div', { class: 'field' }, h('label', { for: 'model', text: t('files.model') }), this.#select, this.#what),
      this.#said, show(this.#panel.element, false));
    if (!this.hasAttribute('story')) this.#load().then(() => this.#resume(), (error) => this.#complain(error));
  }

  disconnectedCallback() {
    this.#polling.stop();
  }

  /** The name of the model that is chosen; empty: the one in use. */
  get value() {
    return this.#select.value;
  }

  get here() {
    return this.#models.filter((model) => model.is_downloaded);
  }

  /** For the story page, and what the server says. */
  show(models, fetching = this.#fetching) {
    const chosen = this.value;
    this.#models = models;
    this.#fetching = fetching;
    const used = models.find((model) => model.in_use);
    const others = this.here.filter((model) => model !== used);
    this.#select.replaceChildren(
      h('option', { value: '', text: used ? t('files.model.used.name', { name: used.name }) : t('files.model.used') }),
      ...others.map(({ name }) => h('option', { value: name, text: name })));
    if (others.some(({ name }) => name === chosen)) this.#select.value = chosen;
    const missing = models.filter((model) => !model.is_downloaded);
    show(this.#panel.element, missing.length > 0);
    this.#panel.tell(String(missing.length));
    this.#rows.replaceChildren(...missing.map((model) => this.#row(model)));
    this.#describe();
    this.#tellFetching();
    this.dispatchEvent(new CustomEvent('changed', { detail: this.here }));
  }

  #describe() {
    const chosen = this.#models.find(({ name, in_use: used }) => (this.value ? name === this.value : used));
    this.#what.textContent = chosen?.description ?? '';
  }

  #row(model) {
    const { name, description, size_mb: mega } = model;
    return h('li', { 'data-model': name },
      h('div', { class: 'model-text' },
        h('span', { class: 'row-name', text: name }),
        h('span', { class: 'muted', lang: 'en', text: description }),
        h('span', { class: 'muted', text: t('files.models.size', { size: size(mega * 1e6) }) }),
        show(h('progress', { max: 100, value: 0, 'aria-label': t('files.models.fetch.what', { name }) }), false)),
      h('button', {
        type: 'button', text: t('files.models.fetch'), 'aria-label': t('files.models.fetch.what', { name }),
        onclick: () => this.#fetch(model),
      }));
  }

  /** In place, so that the focus stays where it is. */
  #tellFetching() {
    const { state, model = '', progress = 0, message = '' } = this.#fetching ?? {};
    const name = model.replace(WHISPER, '');
    for (const row of this.#rows.children) {
      const runs = state === 'pulling' && isOf({ name: row.dataset.model }, this.#fetching);
      const bar = row.querySelector('progress');
      show(bar, runs);
      bar.value = progress;
      row.querySelector('button').disabled = state === 'pulling'; // one at a time
    }
    const said = {
      pulling: () => t('files.models.fetching', { name, percent: Math.floor(progress) }),
      done: () => t('files.models.fetched', { name }),
      failed: () => t('files.models.failed', { name, message }),
    };
    this.#said.textContent = said[state]?.() ?? '';
    show(this.#said, Boolean(state));
    this.#said.classList.toggle('engine-failed', state === 'failed');
  }

  async #load() {
    this.show(await jobModels());
  }

  /** One that is being fetched since before this page was opened. */
  async #resume() {
    const { pull } = await catalogue();
    if (pull?.state !== 'pulling') return;
    this.#fetching = pull;
    this.#polling.start();
  }

  async #fetch({ name }) {
    try {
      this.#fetching = await fetchModel(name);
      this.#tellFetching();
      this.#polling.start();
    } catch (error) {
      this.#complain(error);
    }
  }

  async #look(signal) {
    try {
      this.#fetching = await fetchProgress(this.#fetching.model, { signal });
    } catch (error) {
      if (error.passing || signal.aborted) throw error; // and ask again
      this.#polling.stop(); // such as by a server that was started anew, which knows of no fetch
      this.#fetching = null;
      this.#tellFetching();
      return this.#complain(error);
    }
    this.#tellFetching();
    if (this.#fetching.state === 'pulling') return;
    this.#polling.stop();
    if (this.#fetching.state !== 'done') return;
    const fetched = this.#fetching;
    await this.#load().catch((error) => this.#complain(error));
    const found = this.here.find((model) => isOf(model, fetched));
    if (!found || found.in_use) return;
    this.#select.value = found.name; // what somebody fetched they want to use
    this.#describe();
  }

  #complain(error) {
    this.dispatchEvent(new CustomEvent('problem', { detail: error }));
  }
}

customElements.define('model-choice', ModelChoice);

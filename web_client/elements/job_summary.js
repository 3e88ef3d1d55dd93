// A summary of a job's words, made when somebody asks for it.

import { h, show } from '../js/dom.js';
import { readSummary, startSummary, summaryStatus } from '../js/jobs_api.js';
import { Polling } from '../js/polling.js';
import { t } from '../js/strings.js';

const FORMATS = ['paragraph', 'bullet_points', 'key_points'];
const LOOK_MS = 700;
const POINT = /^\s*(?:[-*•]|\d+[.)])\s+/;

/** Events: `problem` (detail: the error). */
class JobSummary extends HTMLElement {
  #select = h('select', { id: 'summary-format' }, ...FORMATS.map((value) => h('option', { value, text: t(`files.summary.${value}`) })));
  #go = h('button', { type: 'submit', text: t('files.summary.go') });
  #said = h('p', { class: 'muted hint', role: 'status' });
  #text = h('div', { class: 'summary-text', dir: 'auto' });
  #job = '';
  #model;
  #summary = ''; // the one that is being made
  #polling = new Polling((signal) => this.#look(signal), () => (this.#summary ? LOOK_MS : 0));

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.append(
      h('h3', { text: t('files.summary') }),
      h('form', { class: 'summary-form', onsubmit: (event) => this.#ask(event) },
        h('div', { class: 'field' }, h('label', { for: 'summary-format', text: t('files.summary.format') }), this.#select), this.#go),
      this.#said, this.#text);
  }

  disconnectedCallback() {
    this.#polling.stop();
  }

  set job(id) {
    this.#job = id;
  }

  /** The language model's id; undefined: whichever there is. */
  set model(id) {
    this.#model = id;
  }

  async #ask(event) {
    event.preventDefault();
    if (this.#go.disabled) return;
    this.#go.disabled = true;
    this.#said.textContent = t('files.summary.making');
    try {
      this.#summary = (await startSummary(this.#job, { format: this.#select.value, model: this.#model })).job_id;
      this.#polling.start();
    } catch (error) {
      this.#end(error);
    }
  }

  async #look(signal) {
    try {
      const { status, message } = await summaryStatus(this.#summary, { signal });
      if (status === 'failed') this.#said.textContent = t('files.summary.failed', { message });
      else if (status === 'completed') this.show(await readSummary(this.#summary));
      else return;
      this.#end();
    } catch (error) {
      if (error.passing || signal.aborted) throw error; // and ask again
      this.#end(error);
    }
  }

  #end(error = null) {
    this.#polling.stop();
    this.#summary = '';
    this.#go.disabled = false;
    if (!error) return;
    this.#said.textContent = '';
    this.dispatchEvent(new CustomEvent('problem', { detail: error }));
  }

  show({ summary, topics = [], model_used: model }) {
    const lines = summary.split('\n').filter((line) => line.trim());
    const points = lines.length > 0 && lines.every((line) => POINT.test(line));
    this.#text.replaceChildren(
      ...(points
        ? [h('ul', {}, ...lines.map((line) => h('li', { text: line.replace(POINT, '') })))]
        : lines.map((text) => h('p', { text }))),
      show(h('p', { class: 'row-tags' }, ...topics.map((text) => h('span', { class: 'tag', text }))), topics.length > 0));
    const [key, values] = model === 'extractive' ? ['files.summary.extractive'] : ['files.summary.by', { name: model }];
    this.#said.textContent = lines.length ? t(key, values) : t('files.summary.empty');
  }
}

customElements.define('job-summary', JobSummary);

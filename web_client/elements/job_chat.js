// Questions about a job's words, and their answers, with the places they stand on.

import { h, show } from '../js/dom.js';
import { clock } from '../js/format.js';
import { askAbout } from '../js/jobs_api.js';
import { t } from '../js/strings.js';

const REMEMBERED = 20; // messages that go along with a question

/** Events: `problem` (detail: the error), `play-from` (detail: `{time}`). */
class JobChat extends HTMLElement {
  #log = h('ol', { class: 'chat-log', role: 'log', 'aria-label': t('files.chat') });
  #field = h('textarea', { id: 'question', rows: 2, maxlength: 4000, dir: 'auto', required: true });
  #go = h('button', { type: 'submit', text: t('files.chat.go') });
  #said = h('span', { class: 'muted hint', role: 'status' });
  #messages = [];
  #job = '';
  #model;

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.append(
      h('h3', { text: t('files.chat') }), this.#log,
      h('form', { class: 'chat-form', onsubmit: (event) => this.#ask(event) },
        h('div', { class: 'field' }, h('label', { for: 'question', text: t('files.chat.question') }), this.#field),
        h('div', { class: 'row' }, this.#go, this.#said)));
    this.#field.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#field.form.requestSubmit();
    });
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
    const content = this.#field.value.trim();
    if (!content || this.#go.disabled) return this.#field.focus();
    const asked = { role: 'user', content };
    this.#go.disabled = true;
    this.#said.textContent = t('files.chat.going');
    try {
      const answer = await askAbout(this.#job, [...this.#messages, asked].slice(-REMEMBERED), this.#model);
      this.#messages.push(asked, { role: answer.message.role, content: answer.message.content });
      this.show(asked);
      this.show({ ...answer.message, model: answer.model_used, quotes: answer.quotes });
      this.#field.value = ''; // kept where there was no answer
    } catch (error) {
      this.dispatchEvent(new CustomEvent('problem', { detail: error }));
    }
    this.#go.disabled = false;
    this.#said.textContent = '';
  }

  show({ role, content, model = '', quotes = [] }) {
    const mine = role === 'user';
    const onlyQuotes = model === 'extractive';
    const by = onlyQuotes ? t('files.chat.extractive') : t('files.chat.by', { name: model });
    // Its passages stand below, to be played.
    const text = onlyQuotes && quotes.length ? content.split('\n\n')[0] : content;
    this.#log.append(h('li', { class: `message ${mine ? 'question' : 'answer'}` },
      h('p', { class: 'message-who', text: mine ? t('files.chat.you') : by }),
      h('p', { class: 'message-text', dir: 'auto', text }),
      show(h('ul', { class: 'quotes', 'aria-label': t('files.chat.quotes') }, ...quotes.map((quote) => this.#quote(quote))), quotes.length > 0)));
  }

  #quote({ start, text }) {
    const said = h('q', { dir: 'auto', text });
    if (start === null || start === undefined) return h('li', {}, said);
    const time = clock(start);
    return h('li', {}, h('button', {
      type: 'button', class: 'link', text: time, 'aria-label': t('play.from', { time }),
      onclick: () => this.dispatchEvent(new CustomEvent('play-from', { detail: { time: start } })),
    }), ' ', said);
  }
}

customElements.define('job-chat', JobChat);

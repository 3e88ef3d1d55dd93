// One job in the list: its file, how far it is, the newest of its words while they come, and its inside when it is open.

import { h, show } from './dom.js';
import { when } from './format.js';
import { Segments } from './segments.js';
import { tryingAgain } from './state_words.js';
import { t } from './strings.js';

const TAIL_CHARS = 280; // some three lines
const AGAIN_MS = 250; // words come faster than anybody reads

export class JobRow {
  element;
  job;

  #said = new Segments();
  #open = h('button', { type: 'button', class: 'job-open', 'aria-expanded': 'false' });
  #name = h('span', { class: 'row-name', dir: 'auto' });
  #state = h('span', { class: 'row-state' });
  #model = h('span', {});
  #time = h('time', {});
  #progress = h('progress', { max: 100, value: 0 });
  #cancel = h('button', { type: 'button', class: 'quiet', text: t('cancel') });
  #tail = h('p', { class: 'job-tail', dir: 'auto' });
  #inside = null;
  #timer = 0;

  /** `open()` and `cancel()` when somebody wants that. */
  constructor(job, { open, cancel }) {
    this.#open.append(this.#name, h('span', { class: 'row-facts' }, this.#state, this.#model, this.#time));
    this.#open.addEventListener('click', open);
    this.#cancel.addEventListener('click', cancel);
    this.element = h('li', { class: 'job', 'data-id': job.job_id },
      h('div', { class: 'job-head' }, this.#open, h('div', { class: 'row-actions' }, this.#cancel)),
      this.#progress, this.#tail);
    this.show(job);
  }

  get isGoing() {
    return this.job.status === 'processing';
  }

  /** Its name, and how it stands. */
  get summary() {
    return `${this.#name.textContent}: ${this.#state.textContent}`;
  }

  /** What the server says of it, or a part of that. */
  show(told) {
    const job = (this.job = { ...this.job, ...told });
    const name = job.filename || t('files.unnamed');
    const at = new Date(job.created_at * 1000).toISOString();
    this.#name.textContent = name;
    this.#state.dataset.state = job.status;
    this.#tell(stateOf(job));
    this.#model.textContent = t('files.by', { name: job.model_name });
    this.#time.dateTime = at;
    this.#time.textContent = when(at);
    this.#progress.value = job.progress;
    this.#progress.setAttribute('aria-label', t('files.progress.of', { name }));
    this.#cancel.setAttribute('aria-label', t('files.cancel.what', { name }));
    show(this.#progress, this.isGoing);
    show(this.#cancel, this.isGoing);
    this.#showTail();
  }

  /** The connection that tells of it is lost. */
  lost(retryInS) {
    this.#tell(t('state.lost', { again: tryingAgain(retryInS) }));
  }

  set cancelling(value) {
    this.#cancel.disabled = value;
  }

  #tell(text) {
    if (this.#state.textContent !== text) this.#state.textContent = text;
  }

  /** A segment of the live socket: what it says is sure. */
  hear(segment) {
    this.#said.apply({ ...segment, is_final: true, timestamp: segment.start });
    this.#timer ||= setTimeout(() => this.#showTail(), AGAIN_MS);
  }

  #showTail() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    let text = '';
    for (const segment of this.#said.all.toReversed()) {
      text = text ? `${segment.text} ${text}` : segment.text;
      if (text.length > TAIL_CHARS) break;
    }
    this.#tail.textContent = text.length > TAIL_CHARS ? `… ${text.slice(-TAIL_CHARS).replace(/^\S*\s/, '')}` : text;
    show(this.#tail, Boolean(text) && !this.#inside);
  }

  /** What stands below it while it is open; null closes it. */
  set inside(element) {
    this.#inside?.remove();
    this.#inside = element;
    if (element) this.element.append(element);
    this.element.classList.toggle('open', Boolean(element));
    this.#open.setAttribute('aria-expanded', String(Boolean(element)));
    this.#showTail();
  }

  get isOpen() {
    return this.#inside !== null;
  }
}

function stateOf({ status, message, progress, chunk_info: info }) {
  if (status === 'failed') return t('files.state.failed', { message });
  if (status !== 'processing') return t(`files.state.${status}`);
  if (!info?.current_chunk) return t('files.state.waiting');
  const values = { percent: progress, minute: info.current_chunk, minutes: info.total_chunks };
  return t(info.total_chunks ? 'files.state.processing' : 'files.state.endless', values);
}

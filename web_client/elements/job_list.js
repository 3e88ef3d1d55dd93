// One's own jobs, the newest first: those that go on are followed live, and one at a time is open to be read.

import './job_view.js';
import { ApiError } from '../js/api.js';
import { h, show } from '../js/dom.js';
import { JobRow } from '../js/job_row.js';
import { cancelJob, listJobs, livePath } from '../js/jobs_api.js';
import { Listening } from '../js/listening.js';
import { t } from '../js/strings.js';

const PAGE = 50;
const SHOWN_MAX = 1000; // as many as the server tells of
const FOLLOWED_MAX = 8; // sockets at a time; the server hears fewer at once, and the others get theirs in turn

/** Events: `problem` (detail: the error), `shown` once they are there, `opened` (detail: the id, or an empty text). */
class JobList extends HTMLElement {
  #list = h('ol', { class: 'jobs', 'aria-label': t('files.jobs') });
  #none = h('p', { class: 'muted', text: t('files.none') });
  #more = h('button', { type: 'button', text: t('library.more'), onclick: () => this.load(this.#rows.size + PAGE) });
  #ended = h('p', { class: 'visually-hidden', role: 'status' }); // for who does not see it
  #rows = new Map(); // id -> JobRow
  #following = new Map(); // id -> Listening
  #models = [];
  #view = null;

  connectedCallback() {
    if (!this.hasChildNodes()) this.append(this.#list, show(this.#none, false), show(this.#more, false), this.#ended);
  }

  disconnectedCallback() {
    for (const listening of this.#following.values()) listening.close();
    this.#following.clear();
  }

  /** Recognisers that are here, by which a segment can be heard again. */
  set models(models) {
    this.#models = models;
    if (this.#view) this.#view.models = models;
  }

  async load(count = PAGE) {
    try {
      const wanted = Math.min(count, SHOWN_MAX);
      const jobs = await listJobs(wanted);
      this.jobs = jobs;
      show(this.#more, jobs.length === wanted && wanted < SHOWN_MAX);
      this.dispatchEvent(new CustomEvent('shown'));
    } catch (error) {
      this.#complain(error);
    }
  }

  set jobs(jobs) {
    for (const job of jobs) this.#put(job, (element) => this.#list.append(element));
    show(this.#none, this.#rows.size === 0);
    this.#followNext();
  }

  /** A job that was begun just now. */
  add(job) {
    this.#put(job, (element) => this.#list.prepend(element));
    show(this.#none, false);
    this.#followNext();
  }

  has(id) {
    return this.#rows.has(id);
  }

  #put(job, place) {
    const { job_id: id } = job;
    const known = this.#rows.get(id);
    if (known) return known.show(job);
    const row = new JobRow(job, {
      open: () => (row.isOpen ? this.close() : this.open(id)),
      cancel: () => this.#cancel(row),
    });
    this.#rows.set(id, row);
    place(row.element);
  }

  // -- following --------------------------------------------------------------------------------------------------

  /** The oldest first: their turn comes first. */
  #followNext() {
    if (this.hasAttribute('story')) return;
    const going = [...this.#rows.values()].filter((row) => row.isGoing && !this.#following.has(row.job.job_id));
    going.sort((a, b) => a.job.created_at - b.job.created_at);
    for (const row of going.slice(0, Math.max(0, FOLLOWED_MAX - this.#following.size))) this.#follow(row);
  }

  #follow(row) {
    const { job_id: id } = row.job;
    const listening = new Listening(livePath(id));
    this.#following.set(id, listening);
    const done = () => {
      listening.close();
      this.#following.delete(id);
      this.#followNext();
    };
    listening.addEventListener('message', ({ detail: message }) => {
      if (message.segment_id) row.hear(message);
      if (message.type !== 'status') return;
      row.show(message);
      if (row.isGoing) return;
      this.#ended.textContent = row.summary;
      done();
    });
    listening.addEventListener('state', ({ detail: { state, retryInS } }) => {
      if (state === 'waiting') row.lost(retryInS);
      else if (state === 'open') row.show({});
    });
    listening.addEventListener('refused', ({ detail }) => {
      // It stays in the list, and is not asked for again.
      row.show({ status: 'failed', message: detail.message || detail.code });
      done();
      this.#complain(new ApiError(detail.message, { code: detail.code }));
    });
    listening.start();
  }

  async #cancel(row) {
    row.cancelling = true;
    try {
      row.show(await cancelJob(row.job.job_id));
    } catch (error) {
      this.#complain(error);
    }
    row.cancelling = false;
  }

  // -- reading ----------------------------------------------------------------------------------------------------

  open(id) {
    this.close();
    const row = this.#rows.get(id);
    if (!row) return;
    this.#view = document.createElement('job-view');
    this.#view.models = this.#models;
    row.inside = this.#view;
    this.#view.open(id);
    this.dispatchEvent(new CustomEvent('opened', { detail: id }));
  }

  close() {
    if (!this.#view) return;
    for (const row of this.#rows.values()) if (row.isOpen) row.inside = null;
    this.#view = null;
    this.dispatchEvent(new CustomEvent('opened', { detail: '' }));
  }

  #complain(error) {
    this.dispatchEvent(new CustomEvent('problem', { detail: error }));
  }
}

customElements.define('job-list', JobList);

// The reports of a project: asked for, watched while they are made, read, published, deleted.

import { h, show } from '../js/dom.js';
import { when } from '../js/format.js';
import { Polling } from '../js/polling.js';
import { changeReport, createReport, deleteReport, listReports } from '../js/projects_api.js';
import { saveFile } from '../js/save_file.js';
import { t } from '../js/strings.js';

const SHOWN = 100; // as many as a project may have
const LOOK_MS = 2000; // while one is made

/** Events: `problem` (detail: the error), `counted` (detail: how many there are). */
class ReportList extends HTMLElement {
  #rows = h('ul', { class: 'rows' });
  #none = h('p', { class: 'muted', text: t('reports.none') });
  #make = h('button', { type: 'button', class: 'primary', text: t('reports.create'), onclick: () => this.#ask() });
  #reports = new Map();
  #project = '';
  #polling = new Polling((signal) => this.#renew(signal), () => (this.#waits ? LOOK_MS : 0));

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.append(h('p', { class: 'muted', text: t('reports.what') }), h('div', { class: 'row' }, this.#make), show(this.#none, false), this.#rows);
  }

  disconnectedCallback() {
    this.#polling.stop();
  }

  /** Fetch those of a project. Raises ApiError: of a server that makes none, with `NOT_FOUND`. */
  async open(projectId) {
    this.#project = projectId;
    this.reports = (await listReports(projectId, 1, SHOWN)).items;
    if (this.#waits) this.#polling.start();
  }

  set reports(reports) {
    this.#reports = new Map(reports.map((report) => [report.id, report]));
    this.render();
  }

  get #waits() {
    return [...this.#reports.values()].some(({ state }) => state === 'queued' || state === 'working');
  }

  async #renew(signal) {
    try {
      this.reports = (await listReports(this.#project, 1, SHOWN, { signal })).items;
    } catch (error) {
      if (!signal.aborted) this.#complain(error);
      throw error;
    }
    if (!this.#waits) this.#polling.stop();
  }

  #complain(error) {
    this.dispatchEvent(new CustomEvent('problem', { detail: error }));
  }

  async #ask() {
    this.#make.disabled = true;
    await this.#trying(async () => {
      const report = await createReport(this.#project, {});
      this.#reports = new Map([[report.id, report], ...this.#reports]);
      this.#polling.start();
    });
    this.#make.disabled = false;
  }

  async #trying(action) {
    try {
      await action();
      this.render();
    } catch (error) {
      this.#complain(error);
    }
  }

  render() {
    const focused = document.activeElement?.closest('report-list li')?.dataset.id;
    this.#rows.replaceChildren(...[...this.#reports.values()].map((report) => this.#row(report)));
    if (focused) this.#rows.querySelector(`[data-id="${CSS.escape(focused)}"] :is(a, button)`)?.focus();
    show(this.#none, this.#reports.size === 0);
    this.dispatchEvent(new CustomEvent('counted', { detail: this.#reports.size }));
  }

  #row(report) {
    const { id, state, is_published: isPublished } = report;
    const at = when(report.created_at);
    const values = { percent: Math.round(report.progress), message: report.error ?? '' };
    const file = (path, key, more = {}) => h('a', {
      href: path, text: t(key), 'aria-label': t(`${key}.what`, { when: at }), onclick: (event) => this.#open(event, path), ...more,
    });
    const made = state === 'done' ? [
      // Behind a token it is saved: a page that was fetched with one would stand under the rules of this page.
      file(report.html_url, 'reports.open', { target: '_blank', rel: 'noopener' }), file(report.pdf_url, 'reports.pdf', { download: true }),
      h('button', {
        type: 'button', class: 'quiet calm', text: t(isPublished ? 'reports.withdraw' : 'reports.publish'),
        'aria-label': t(isPublished ? 'reports.withdraw.what' : 'reports.publish.what', { when: at }),
        onclick: () => this.#trying(async () => this.#reports.set(id, await changeReport(this.#project, id, { is_published: !isPublished }))),
      }),
    ] : [];
    return h('li', { 'data-id': id },
      h('div', { class: 'row-link' },
        h('span', { class: 'row-name', text: t('reports.of', { when: at }) }),
        h('span', { class: 'row-facts' },
          h('span', { class: 'row-state', 'data-state': state, text: t(`reports.state.${state}`, values) }),
          h('span', { text: t('reports.conversations', { count: report.conversations }) }),
          isPublished ? h('span', { text: t('reports.published') }) : null,
          report.note ? h('span', { text: report.note }) : null),
        ['queued', 'working'].includes(state) ? h('progress', { max: 100, value: report.progress, 'aria-label': t('reports.of', { when: at }) }) : null),
      h('div', { class: 'row-actions' }, ...made,
        h('button', {
          type: 'button', class: 'quiet', text: t('library.delete'), 'aria-label': t('reports.delete.what', { when: at }),
          onclick: () => confirm(t('reports.delete.sure', { when: at })) && this.#trying(async () => {
            await deleteReport(this.#project, id);
            this.#reports.delete(id);
          }),
        })));
  }

  async #open(event, path) {
    try {
      await saveFile(event, path);
    } catch (error) {
      this.#complain(error);
    }
  }
}

customElements.define('report-list', ReportList);

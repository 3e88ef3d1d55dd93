// The projects there are: name, whether conversations may begin, the way to the participants' page.

import './copy_link.js';
import { h, show } from '../js/dom.js';
import { when } from '../js/format.js';
import { deleteProject, listProjects, portalPath } from '../js/projects_api.js';
import { t } from '../js/strings.js';

const PAGE = 50;

/** Events: `problem` (detail: the error). */
class ProjectList extends HTMLElement {
  #rows = h('ul', { class: 'rows' });
  #none = h('p', { class: 'muted', text: t('projects.empty') });
  #more = h('button', { type: 'button', text: t('library.more'), onclick: () => this.#load(this.#pages + 1) });
  #projects = new Map();
  #pages = 1;
  #total = 0;

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.append(this.#rows, show(this.#none, false), show(this.#more, false));
    if (!this.hasAttribute('story')) this.#load(1);
  }

  #load(page) {
    return this.#trying(async () => {
      const answer = await listProjects(page, PAGE);
      for (const project of answer.items) this.#projects.set(project.id, project);
      this.#pages = page;
      this.#total = answer.total;
    });
  }

  async #trying(action) {
    try {
      await action();
      this.render();
    } catch (error) {
      this.dispatchEvent(new CustomEvent('problem', { detail: error }));
    }
  }

  /** For the story page. */
  set projects(projects) {
    this.#projects = new Map(projects.map((project) => [project.id, project]));
    this.#total = projects.length;
    this.render();
  }

  render() {
    this.#rows.replaceChildren(...[...this.#projects.values()].map((project) => this.#row(project)));
    show(this.#none, this.#projects.size === 0);
    show(this.#more, this.#pages * PAGE < this.#total);
  }

  #row(project) {
    const { id, name, is_open: isOpen } = project;
    const copy = document.createElement('copy-link');
    copy.path = portalPath(id);
    return h('li', { 'data-id': id },
      h('a', { href: `/projects/${encodeURIComponent(id)}`, class: 'row-link' },
        h('span', { class: 'row-name', dir: 'auto', text: name }),
        h('span', { class: 'row-facts' },
          h('span', { class: 'row-state', 'data-state': isOpen ? 'open' : 'paused', text: t(isOpen ? 'projects.open' : 'projects.closed') }),
          project.tags.length ? h('span', { text: t('projects.tags', { count: project.tags.length }) }) : null,
          h('time', { datetime: project.created_at, text: t('projects.made', { when: when(project.created_at) }) }))),
      h('div', { class: 'row-actions' },
        copy,
        h('button', {
          type: 'button', class: 'quiet', text: t('library.delete'), 'aria-label': t('library.delete.what', { name }),
          onclick: () => this.#delete(id, name),
        })));
  }

  #delete(id, name) {
    if (!confirm(t('projects.delete.sure', { name }))) return null;
    return this.#trying(async () => {
      await deleteProject(id);
      this.#projects.delete(id);
      this.#total -= 1;
    });
  }
}

customElements.define('project-list', ProjectList);

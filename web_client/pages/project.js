// A project, for its host: the participants' page, the conversations as they arrive, the settings, and who is told.

import '../js/projects_strings.js';
import '../elements/conversation_list.js';
import '../elements/portal_address.js';
import '../elements/portal_settings.js';
import '../elements/problem_note.js';
import '../elements/project_exports.js';
import '../elements/project_tags.js';
import '../elements/report_list.js';
import '../elements/site_header.js';
import '../elements/webhook_list.js';
import { foldPanel } from '../elements/fold_panel.js';
import { h, show } from '../js/dom.js';
import { projectProblemOf } from '../js/project_problem.js';
import { deleteProject, getProject } from '../js/projects_api.js';
import { t } from '../js/strings.js';

const id = decodeURIComponent(location.pathname.replace(/\/+$/, '').split('/').pop());

class ProjectPage {
  #project = null;
  #heading = h('h1', { dir: 'auto' });
  #problem = document.createElement('problem-note');
  #trouble = document.createElement('problem-note'); // with the list alone, until it is renewed
  #portal = document.createElement('portal-address');
  #list = document.createElement('conversation-list');
  #exports = document.createElement('project-exports');
  #settings = document.createElement('portal-settings');
  #tags = document.createElement('project-tags');
  #reports = document.createElement('report-list');
  #webhooks = document.createElement('webhook-list');
  #delete = h('button', { type: 'button', class: 'quiet', text: t('project.delete'), onclick: () => this.#remove() });
  #panels = {
    settings: foldPanel(t('portal-settings.title'), this.#settings),
    tags: foldPanel(t('tags.title'), this.#tags),
    reports: foldPanel(t('reports.title'), this.#reports),
    webhooks: foldPanel(t('webhooks.title'), this.#webhooks),
  };

  #body = h('div', { class: 'project' },
    this.#portal,
    h('section', { class: 'conversations', 'aria-labelledby': 'conversations' },
      h('h2', { id: 'conversations', text: t('conversations.heading') }), this.#trouble, this.#list, this.#exports),
    h('div', { class: 'panels' }, ...Object.values(this.#panels).map((panel) => panel.element)),
    h('div', { class: 'row foot' }, this.#delete));

  async build() {
    document.title = t('title.projects');
    document.querySelector('main').append(this.#heading, this.#problem, show(this.#body, false));
    for (const part of [this.#settings, this.#webhooks, this.#reports]) {
      part.addEventListener('problem', ({ detail }) => this.#complain(this.#ofPart(detail)));
    }
    this.#tags.addEventListener('problem', ({ detail: error }) => this.#complain(
      error.code === 'CONFLICT' ? { key: 'problem.project.tag', values: { message: error.message } } : this.#ofPart(error)));
    this.#exports.addEventListener('problem', ({ detail: error }) => this.#complain(
      error.code === 'UNREACHABLE' ? projectProblemOf(error) : { key: 'problem.project.export', values: { message: error.message } }));
    this.#list.addEventListener('problem', ({ detail }) => this.#trouble.show(projectProblemOf(detail)));
    this.#list.addEventListener('renewed', () => this.#trouble.clear());
    this.#settings.addEventListener('saved', ({ detail }) => this.#changed(detail));
    this.#tags.addEventListener('changed', ({ detail }) => this.#changed({ ...this.#project, tags: detail }));
    for (const name of ['reports', 'webhooks']) {
      const list = { reports: this.#reports, webhooks: this.#webhooks }[name];
      list.addEventListener('counted', ({ detail: count }) => this.#panels[name].tell(count ? String(count) : ''));
    }
    await this.#open();
  }

  async #open() {
    this.#problem.clear();
    try {
      const project = await getProject(id);
      this.#settings.show(project);
      this.#tags.show(project);
      this.#exports.project = id;
      this.#show(project);
      show(this.#body, true);
    } catch (error) {
      const again = h('button', { type: 'button', text: t('retry'), onclick: () => this.#open() });
      this.#problem.show(projectProblemOf(error), error.code === 'NOT_FOUND' ? [] : [again]);
      return;
    }
    await Promise.all(Object.entries({ reports: this.#reports, webhooks: this.#webhooks }).map(([name, list]) => this.#part(name, list)));
  }

  /** Not every server makes reports and tells others: what it does not know is not shown. */
  async #part(name, list) {
    try {
      await list.open(id);
    } catch (error) {
      if (error.code === 'NOT_FOUND') show(this.#panels[name].element, false);
      else this.#complain(projectProblemOf(error));
    }
  }

  #show(project) {
    this.#project = project;
    this.#heading.textContent = project.name;
    document.title = t('title.project', { name: project.name });
    this.#portal.show(project);
    this.#list.project = project;
    this.#panels.tags.tell(project.tags.length ? String(project.tags.length) : '');
  }

  #changed(project) {
    this.#problem.clear();
    this.#show(project);
  }

  /** The project is there: what is missing is a part of it. */
  #ofPart(error) {
    return error.code === 'NOT_FOUND' ? { key: 'problem.project.gone' } : projectProblemOf(error);
  }

  #complain(problem) {
    this.#problem.show(problem);
    this.#problem.scrollIntoView({ block: 'nearest' });
  }

  async #remove() {
    if (!confirm(t('projects.delete.sure', { name: this.#project.name }))) return;
    try {
      await deleteProject(id);
      location.assign('/projects');
    } catch (error) {
      this.#complain(projectProblemOf(error));
    }
  }
}

await new ProjectPage().build();

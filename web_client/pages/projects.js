// A host's projects: those there are, and a new one.

import '../js/projects_strings.js';
import '../elements/problem_note.js';
import '../elements/project_form.js';
import '../elements/project_list.js';
import '../elements/site_header.js';
import { h } from '../js/dom.js';
import { projectProblemOf } from '../js/project_problem.js';
import { t } from '../js/strings.js';

document.title = t('title.projects');
const problem = document.createElement('problem-note');
const list = document.createElement('project-list');
const form = document.createElement('project-form');
list.addEventListener('problem', ({ detail }) => problem.show(projectProblemOf(detail)));
form.addEventListener('problem', ({ detail: error }) => {
  // There may be so many, and no more.
  const full = error.code === 'OVERLOADED' || error.code === 'CONFLICT';
  problem.show(full ? { key: 'problem.project.full', values: { message: error.message } } : projectProblemOf(error));
});
form.addEventListener('made', ({ detail }) => location.assign(`/projects/${encodeURIComponent(detail.id)}`));
document.querySelector('main').append(
  h('div', { class: 'page-head' }, h('h1', { text: t('projects.heading') }), h('p', { class: 'muted', text: t('projects.intro') })),
  problem, list,
  h('section', { class: 'new-room', 'aria-labelledby': 'new-project' }, h('h2', { id: 'new-project', text: t('projects.new') }), form));

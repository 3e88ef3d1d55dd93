// Files become text here: a recogniser and a language are chosen, files are dropped, and what was said in them is read.

import '../js/files_strings.js';
import '../elements/drop_files.js';
import '../elements/job_list.js';
import '../elements/model_choice.js';
import '../elements/problem_note.js';
import '../elements/site_header.js';
import '../elements/speaker_count.js';
import { languageChoice } from '../elements/language_choice.js';
import { whoAmI } from '../js/api.js';
import { h } from '../js/dom.js';
import { fileProblemOf } from '../js/file_problem.js';
import { startJob } from '../js/jobs_api.js';
import { t } from '../js/strings.js';

const PLACE = '#job=';

document.title = t('title.files');
const problem = document.createElement('problem-note');
const drop = document.createElement('drop-files');
const count = document.createElement('speaker-count');
const models = document.createElement('model-choice');
const list = document.createElement('job-list');
const language = languageChoice('language', '', [['', t('files.language.server')], ['auto', t('files.language.auto')]]).select;

function complain(error, doing) {
  const retry = h('button', { type: 'button', text: t('retry'), onclick: () => location.reload() });
  problem.show(fileProblemOf(error, doing), doing ? [] : [retry]);
}

drop.send = async (file, onProgress) => {
  problem.clear();
  return startJob(file, { model: models.value, language: language.value, known: count.known }, onProgress);
};
drop.addEventListener('taken', ({ detail: job }) => list.add(job));
drop.addEventListener('refused', ({ detail }) => complain(detail, 'begin'));
models.addEventListener('problem', ({ detail }) => complain(detail, 'fetch'));
models.addEventListener('changed', ({ detail }) => (list.models = detail));
list.addEventListener('problem', ({ detail }) => complain(detail));
// What is open stands in the address, so that a reload or a link leads back to it.
list.addEventListener('opened', ({ detail: id }) =>
  history.replaceState(null, '', `${location.pathname}${location.search}${id ? PLACE + encodeURIComponent(id) : ''}`));

function goToPlace() {
  if (!location.hash.startsWith(PLACE)) return;
  const id = decodeURIComponent(location.hash.slice(PLACE.length));
  if (list.has(id)) list.open(id);
  else problem.show({ key: 'problem.files.missing' });
}

addEventListener('hashchange', goToPlace);
list.addEventListener('shown', async () => {
  const me = await whoAmI().catch(() => null); // by now we have signed in, where one must
  if (me?.upload_max_mb) drop.maxMb = me.upload_max_mb;
  goToPlace();
}, { once: true });

document.querySelector('main').append(
  h('div', { class: 'page-head' }, h('h1', { text: t('files.heading') }), h('p', { class: 'muted', text: t('files.intro') })),
  h('div', { class: 'setup' }, models, h('div', { class: 'field' }, h('label', { for: 'language', text: t('files.language') }), language), count),
  drop, problem,
  h('section', { 'aria-labelledby': 'jobs' }, h('h2', { id: 'jobs', text: t('files.jobs') }), list));
await list.load();

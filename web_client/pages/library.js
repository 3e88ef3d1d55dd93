// The library: every transcript, a search through what was said in them, the bin, and a place to drop files.

import '../elements/drop_files.js';
import '../elements/problem_note.js';
import '../elements/search_everywhere.js';
import '../elements/site_header.js';
import '../elements/speaker_count.js';
import '../elements/transcript_list.js';
import { upload, whoAmI } from '../js/api.js';
import { h, show } from '../js/dom.js';
import { problemOf } from '../js/problem.js';
import { t } from '../js/strings.js';

const STATUSES = ['completed', 'processing', 'paused', 'failed', 'initializing'];
const SOURCES = ['live', 'file', 'room', 'project'];

document.title = t('title.library');
const list = document.createElement('transcript-list');
const drop = document.createElement('drop-files');
const count = document.createElement('speaker-count');
const problem = document.createElement('problem-note');
const search = document.createElement('search-everywhere');

function choice(key, values) {
  return h('select', { 'aria-label': t(`filter.${key}`), onchange: () => choose() },
    h('option', { value: '', text: t(`filter.${key}`) }),
    ...values.map((value) => h('option', { value, text: t(`filter.${key}.${value}`) })));
}

const status = choice('status', STATUSES);
const source = choice('source', SOURCES);
const bin = h('button', { type: 'button', class: 'bin', 'aria-pressed': 'false', text: t('bin'), onclick: () => {
  bin.setAttribute('aria-pressed', String(bin.getAttribute('aria-pressed') !== 'true'));
  choose();
} });
const what = h('p', { class: 'muted', text: t('bin.what') });
const filters = h('div', { class: 'row filters' }, status, source, bin);

function choose() {
  const inBin = bin.getAttribute('aria-pressed') === 'true';
  problem.clear();
  show(what, inBin);
  list.choose({ status: status.value, source_kind: source.value }, { bin: inBin });
  search.wanted = { source_kind: source.value };
}

drop.send = (file, onProgress) => upload(file, onProgress, count.known);
drop.addEventListener('taken', () => list.refresh());
const complain = ({ detail }) => {
  const retry = h('button', { type: 'button', text: t('retry'), onclick: () => choose() });
  problem.show(problemOf(detail), [retry]);
};
list.addEventListener('problem', complain);
list.addEventListener('shown', async () => {
  const me = await whoAmI().catch(() => null); // by now we have signed in, where one must
  if (me?.upload_max_mb) drop.maxMb = me.upload_max_mb;
}, { once: true });
search.addEventListener('problem', complain);
// What was found stands in place of the list.
search.addEventListener('searching', ({ detail: searching }) => {
  problem.clear();
  for (const each of [list, drop, status, bin]) show(each, !searching);
  show(what, !searching && bin.getAttribute('aria-pressed') === 'true');
});
document.querySelector('main').append(
  h('h1', { text: t('library.heading') }), drop, search, show(what, false), problem, list);
drop.querySelector('.drop').after(count);
search.beside = filters;

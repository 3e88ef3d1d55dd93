// The library: every transcript, and a place to drop files.

import '../elements/drop_files.js';
import '../elements/problem_note.js';
import '../elements/site_header.js';
import '../elements/transcript_list.js';
import { h } from '../js/dom.js';
import { problemOf } from '../js/problem.js';
import { t } from '../js/strings.js';

document.title = t('title.library');
const list = document.createElement('transcript-list');
const drop = document.createElement('drop-files');
const problem = document.createElement('problem-note');

drop.addEventListener('taken', () => list.refresh());
list.addEventListener('problem', ({ detail }) => {
  const retry = h('button', {
    type: 'button',
    text: t('retry'),
    onclick: () => {
      problem.clear();
      list.refresh();
    },
  });
  problem.show(problemOf(detail), [retry]);
});
document.querySelector('main').append(h('h1', { text: t('library.heading') }), drop, problem, list);

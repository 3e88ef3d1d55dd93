// The rooms: those there are, and a new one.

import '../elements/problem_note.js';
import '../elements/room_form.js';
import '../elements/room_list.js';
import '../elements/site_header.js';
import { h } from '../js/dom.js';
import { problemOf } from '../js/problem.js';
import { t } from '../js/strings.js';

document.title = t('title.rooms');
const problem = document.createElement('problem-note');
const list = document.createElement('room-list');
const form = document.createElement('room-form');
const complain = ({ detail }) => problem.show(problemOf(detail));

list.addEventListener('problem', complain);
form.addEventListener('problem', complain);
form.addEventListener('made', ({ detail }) => location.assign(`/r/${encodeURIComponent(detail.name)}`));
document.querySelector('main').append(
  h('div', { class: 'page-head' }, h('h1', { text: t('rooms.heading') }), h('p', { class: 'muted', text: t('rooms.intro') })),
  problem, list,
  h('section', { class: 'new-room', 'aria-labelledby': 'new-room' }, h('h2', { id: 'new-room', text: t('rooms.new') }), form));

// The inference loop's last minute, for whoever runs the server. Asked for once a second while somebody looks.

import '../elements/loop_view.js';
import '../elements/problem_note.js';
import '../elements/site_header.js';
import { loopFigures } from '../js/api.js';
import { delayS } from '../js/backoff.js';
import { h, icon, ICONS } from '../js/dom.js';
import { LoopMinute } from '../js/loop_minute.js';
import { problemOf } from '../js/problem.js';
import { t } from '../js/strings.js';

const POLL_MS = 1000; // and drawn as often, no oftener: the page may run on the machine that it watches

document.title = t('title.loop');
const minute = new LoopMinute();
const view = document.createElement('loop-view');
const problem = document.createElement('problem-note');
const pause = h('button', { type: 'button', class: 'loop-pause', onclick: () => (paused ? resume() : stop(true)) });
let paused = false;
let timer = 0;
let asking = false;
let failures = 0;

function showPause() {
  pause.replaceChildren(icon(...ICONS[paused ? 'play' : 'pause']), t(paused ? 'loop.resume' : 'loop.pause'));
}

function stop(byHand) {
  clearTimeout(timer);
  paused ||= byHand;
  showPause();
}

function resume() {
  paused = false;
  showPause();
  look();
}

async function look() {
  clearTimeout(timer);
  if (asking || paused || document.hidden) return;
  asking = true;
  let waitMs = POLL_MS;
  try {
    const answer = await loopFigures(minute.after);
    const nowMs = performance.now();
    minute.take(answer, nowMs);
    // What was on its way when somebody pressed pause is kept for later, but not shown.
    if (!paused) view.show(answer, minute, nowMs);
    problem.clear();
    failures = 0;
    if (answer.more) waitMs = 0;
  } catch (error) {
    waitMs = tell(error);
  }
  asking = false;
  if (waitMs !== null) timer = setTimeout(look, waitMs);
}

/** Say what is wrong; returns when to ask again, null for not by itself. */
function tell(error) {
  const again = h('button', { type: 'button', text: t('retry'), onclick: look });
  problem.show(problemOf(error), [again]);
  if (!error.passing) return null;
  failures += 1;
  return delayS(failures) * 1000;
}

document.addEventListener('visibilitychange', () => (document.hidden ? stop(false) : look()));
showPause();
document.querySelector('main').append(
  h('div', { class: 'loop-head' },
    h('div', {}, h('h1', { text: t('loop.heading') }), h('p', { class: 'lead', text: t('loop.intro') })), pause),
  problem,
  view,
);
await look();

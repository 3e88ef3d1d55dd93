// One transcript: its words, its sound, its downloads. Follows it live while it is still being written.

import '../elements/download_links.js';
import '../elements/problem_note.js';
import '../elements/site_header.js';
import '../elements/transcript_player.js';
import '../elements/words_view.js';
import { allSegments, deleteTranscript, getTranscript, renameTranscript } from '../js/api.js';
import { dock } from '../js/dock.js';
import { h, show } from '../js/dom.js';
import { clock, when } from '../js/format.js';
import { Listening } from '../js/listening.js';
import { problemOf } from '../js/problem.js';
import { tie } from '../js/reading.js';
import { t } from '../js/strings.js';
import { titleOf } from '../js/transcript_title.js';

const id = decodeURIComponent(location.pathname.replace(/\/+$/, '').split('/').pop());
const OVER = new Set(['completed', 'failed']);

const name = h('input', { class: 'title', type: 'text', maxlength: 200, dir: 'auto', 'aria-label': t('transcript.rename') });
const facts = h('p', { class: 'muted facts' });
const progress = h('p', { class: 'muted', role: 'status' });
const words = document.createElement('words-view');
const player = document.createElement('transcript-player');
const downloads = document.createElement('download-links');
const problem = document.createElement('problem-note');
const hint = h('p', { class: 'muted hint', text: t('player.hint') });
const remove = h('button', { class: 'quiet', type: 'button', text: t('transcript.delete'), onclick: () => removeAll() });
remove.disabled = true; // until it is known what would be deleted
const lower = dock(player, hint);

let saved = '';

function complain(error) {
  problem.show(problemOf(error));
}

function describe(transcript) {
  const { data } = transcript;
  saved = titleOf(transcript);
  remove.disabled = false;
  if (document.activeElement !== name) name.value = saved;
  document.title = t('title.transcript', { name: saved });
  facts.textContent = [
    when(transcript.created_at),
    clock(data.duration ?? 0),
    t('library.words', { count: data.words ?? 0 }),
    t(`status.${data.state}`),
  ].join(' · ');
}

async function rename() {
  const wanted = name.value.trim();
  if (!wanted || wanted === saved) {
    name.value = saved;
    return;
  }
  try {
    describe(await renameTranscript(id, wanted));
  } catch (error) {
    complain(error);
  }
}

async function removeAll() {
  if (!confirm(t('library.delete.sure', { name: saved }))) return;
  try {
    await deleteTranscript(id);
    location.assign('/t');
  } catch (error) {
    complain(error);
  }
}

/** The sound is there once nothing is being recorded any more. */
function readable(transcript) {
  const audible = (transcript.data.duration ?? 0) > 0;
  show(lower, audible);
  downloads.show(id);
  if (audible) {
    tie(words, player);
    player.load(id, { duration: transcript.data.duration, track: transcript.data.tracks?.[0]?.id });
  }
  progress.textContent = words.empty ? t('transcript.nothing') : audible ? '' : t('transcript.silent');
}

/** What is told while it is not finished: somebody may speak at any time, by whatever way, also of one still empty. */
function tellProgress(state, percent) {
  if (state === 'idle') progress.textContent = t('transcript.waiting');
  else if (state === 'processing') progress.textContent = t('transcript.progress', { percent });
  else progress.textContent = t('transcript.live');
  words.live = state !== 'processing';
}

/** Words as they come, until the transcript is finished. */
function follow(transcript) {
  const listening = new Listening(id, { after: transcript.data.last_seq ?? 0 });
  tellProgress(transcript.data.state, 0);
  listening.addEventListener('message', async ({ detail: { type, data } }) => {
    words.apply({ type, data });
    if (type !== 'status') return;
    if (!OVER.has(data.status)) {
      // The last words of live speech come within moments, without a progress.
      if (data.state !== 'processing' || data.progress > 0) tellProgress(data.state, Math.round(data.progress));
      return;
    }
    listening.close();
    words.live = false;
    const now = await getTranscript(id);
    describe(now);
    readable(now);
  });
  listening.addEventListener('refused', ({ detail }) => complain(detail));
  listening.start();
}

async function open() {
  const foot = h('div', { class: 'row foot' }, downloads, remove);
  document.querySelector('main').append(name, facts, progress, problem, words, foot, lower);
  show(lower, false);
  name.addEventListener('change', rename);
  name.addEventListener('keydown', (event) => event.key === 'Enter' && name.blur());
  player.addEventListener('problem', () => problem.show({ key: 'problem.sound' }));
  try {
    const transcript = await getTranscript(id);
    describe(transcript);
    words.load(await allSegments(id));
    const { state } = transcript.data;
    if (['ended', 'failed', 'idle'].includes(state)) readable(transcript);
    if (!['ended', 'failed'].includes(state)) follow(transcript);
  } catch (error) {
    show(name, false);
    show(remove, false);
    complain(error);
  }
}

await open();

// One transcript: its words, its sound, its downloads, who speaks in it and who may read it. Follows it live: new words
// while it is being written, and what others set right at any time.

import '../elements/download_links.js';
import '../elements/problem_note.js';
import '../elements/share_choice.js';
import '../elements/site_header.js';
import '../elements/summary_view.js';
import '../elements/topic_list.js';
import '../elements/transcript_player.js';
import '../elements/words_view.js';
import { foldPanel } from '../elements/fold_panel.js';
import { allSegments, ApiError, changeTranscript, deleteSound, deleteTranscript, getTranscript, topicsOf, whoAmI } from '../js/api.js';
import { dock } from '../js/dock.js';
import { h, show } from '../js/dom.js';
import { clock, when } from '../js/format.js';
import { heardOf, sounds, voicesOf } from '../js/heard.js';
import { eventsOf, Listening } from '../js/listening.js';
import { placeOf } from '../js/place.js';
import { problemOf } from '../js/problem.js';
import { tie } from '../js/reading.js';
import { tryingAgain } from '../js/state_words.js';
import { t } from '../js/strings.js';
import { talkPanel } from '../js/talk_panel.js';
import { titleOf } from '../js/transcript_title.js';
import { voicesPanel } from '../js/voices_panel.js';

const id = decodeURIComponent(location.pathname.replace(/\/+$/, '').split('/').pop());
const OVER = new Set(['completed', 'failed']);
const READABLE = ['ended', 'failed', 'idle'];

const name = h('textarea', { class: 'title', rows: 1, maxlength: 200, dir: 'auto', 'aria-label': t('transcript.rename') }); // may be long
const facts = h('p', { class: 'muted facts' });
const progress = h('p', { class: 'muted', role: 'status' });
const words = document.createElement('words-view');
const player = document.createElement('transcript-player');
const downloads = document.createElement('download-links');
const problem = document.createElement('problem-note');
const topics = document.createElement('topic-list');
const share = document.createElement('share-choice');
const summary = document.createElement('summary-view');
const hint = h('p', { class: 'muted hint', text: t('player.hint') });
const remove = h('button', { class: 'quiet', type: 'button', text: t('transcript.delete'), onclick: () => removeAll() });
show(remove, false); // until it is known what would be deleted, and that we may
const lower = dock(player, hint);
const brief = foldPanel(t('summary.title'), summary);
const contents = foldPanel(t('topics.title'), topics);
const sharing = foldPanel(t('share.title'), share);
const talk = talkPanel(id, { words, player, length: () => now?.data.duration ?? 0, audible: () => !lower.hidden });
const voices = voicesPanel(id, { words, transcript: () => now, mine: () => mine, wish, changed: showChanged, drawn: () => talk.draw() });
const panels = h('div', { class: 'panels' }, brief.element, contents.element, talk.element, voices.element, sharing.element);

let now = null; // the transcript as the server last told it
let saved = '';
let mine = false; // whether we may change it
let loaded = ''; // what the player holds
let offsets = new Map(); // where each track begins in what is played
let standing = null; // what was told last of one that is not finished: {state, percent}
let untie = null;
let meeting = null; // a promise of its panel, where a bot attended it
const acted = []; // what participants of that did
let isAsked = false; // whose a track is that began meanwhile

function complain(error) {
  problem.show(problemOf(error));
}

/** Do what was wished; whatever comes of it, the page shows what the server says. */
async function wish(action) {
  problem.clear();
  try {
    await action();
    return true;
  } catch (error) {
    complain(error);
    return false;
  }
}

const tracksOf = ({ data }) => data.tracks ?? [];
const isAudible = (transcript) => tracksOf(transcript).some(sounds) && !transcript.audio_deleted;
const isReadable = (transcript) => READABLE.includes(transcript.data.state);

function describe(transcript) {
  const { data } = transcript;
  now = transcript;
  saved = titleOf(transcript);
  show(remove, mine);
  remove.disabled = transcript.locked;
  name.readOnly = !mine;
  if (document.activeElement !== name) name.value = saved;
  fitName();
  document.title = t('title.transcript', { name: saved });
  show(brief.element, summary.show(data.summary));
  facts.textContent = [
    when(transcript.created_at),
    // How much there is of it is known when it is at an end.
    ...(OVER.has(transcript.status) ? [clock(data.duration ?? 0), t('library.words', { count: data.words ?? 0 })] : []),
    t(`status.${data.state}`),
    ...(transcript.locked ? [t('transcript.locked')] : []),
  ].join(' · ');
  show(sharing.element, mine && 'share_mode' in transcript);
  if ('share_mode' in transcript) {
    share.show(transcript, { audible: isAudible(transcript) && isReadable(transcript) });
    sharing.tell(t(`share.${transcript.share_mode}`));
  }
  voices.draw();
}

/** Whether a bot attended it: it brought sound, or words that others made of it. */
const isMeeting = (transcript) => tracksOf(transcript).some(({ source, name: called }) => source === 'bot' || called?.endsWith(' (told)'));

/** The panel of a meeting is fetched by those alone who look at one. */
async function showMeeting() {
  if (!meeting) talk.element.open = false; // a meeting's own picture says when each spoke
  meeting ??= import('../js/meeting_panel.js').then(({ meetingPanel }) => {
    const made = meetingPanel(id, { words, player, acted, transcript: () => now, audible: () => !lower.hidden });
    panels.prepend(made.element);
    return made;
  });
  (await meeting).draw();
}

/** Who speaks in a meeting is told by their tracks, which begin when they first do. */
async function learnTracks(track) {
  if (isAsked || (tracksOf(now).length && !meeting) || tracksOf(now).some((each) => each.id === track)) return;
  isAsked = true;
  const found = await getTranscript(id).catch(() => null);
  isAsked = false;
  if (!found) return;
  now = { ...now, participants: found.participants, data: { ...now.data, tracks: found.data.tracks } };
  if (isMeeting(now)) showMeeting();
}

async function showTopics() {
  const found = words.empty ? [] : await topicsOf(id).catch(() => []);
  show(contents.element, found.length > 1);
  contents.tell(String(found.length));
  topics.show(found);
}

/** As many lines as it needs. */
function fitName() {
  name.style.height = 'auto';
  name.style.height = `${name.scrollHeight + name.offsetHeight - name.clientHeight}px`;
}

async function rename() {
  const wanted = name.value.trim().replace(/\s+/g, ' '); // a name is one line, whatever was pasted
  if (!wanted || wanted === saved) name.value = saved;
  else await wish(async () => describe(await changeTranscript(id, { title: wanted })));
  fitName();
}

async function removeAll() {
  if (!confirm(t('library.delete.sure', { name: saved }))) return;
  if (await wish(() => deleteTranscript(id))) location.assign('/t');
}

async function removeSound() {
  if (!confirm(t('share.sound.delete.sure'))) return;
  if (await wish(() => deleteSound(id))) readable(await getTranscript(id));
}

/** Somebody set right who speaks: sound is offered by that, too. */
function showChanged(found) {
  now = { ...now, participants: found.participants };
  if (loaded) showDownloads(found);
}

function showDownloads(transcript) {
  downloads.show(id, isAudible(transcript) ? voicesOf(transcript) : [], transcript.data.mix);
}

/** The sound is there once nothing is being recorded any more. */
function readable(transcript) {
  standing = null;
  describe(transcript);
  const audible = isAudible(transcript);
  const heard = heardOf(transcript);
  show(lower, audible);
  showDownloads(transcript);
  words.offsets = offsets = heard.offsets;
  const sound = audible ? `${heard.track} ${heard.duration} ${transcript.data.duration}` : '';
  if (audible && sound !== loaded) {
    untie ??= tie(words, player);
    player.load(id, heard);
  }
  if (!audible) {
    untie?.();
    untie = null;
    player.empty();
  }
  loaded = sound;
  const silent = t(transcript.audio_deleted ? 'transcript.soundless' : 'transcript.silent');
  progress.textContent = words.empty ? t('transcript.nothing') : audible ? '' : silent;
  showTopics();
  if (meeting || isMeeting(transcript)) showMeeting();
}

/** What is told while it is not finished: somebody may speak at any time, by whatever way, also of one still empty. */
function tellProgress(state, percent) {
  standing = { state, percent };
  if (state === 'idle') progress.textContent = t('transcript.waiting');
  else if (state === 'processing') progress.textContent = t('transcript.progress', { percent });
  else progress.textContent = t('transcript.live');
  words.live = state !== 'processing';
}

/** Words as they come, and what becomes of them. */
function follow(transcript) {
  // Of a meeting it is told from the beginning on what participants did; nobody may have spoken in it.
  const known = transcript.data.last_seq ?? 0;
  const whole = isMeeting(transcript) || !tracksOf(transcript).length;
  const listening = new Listening(eventsOf(id), { after: whole ? 0 : known });
  if (!['ended', 'failed'].includes(transcript.data.state)) tellProgress(transcript.data.state, 0);
  listening.addEventListener('message', async ({ detail: { type, seq, data } }) => {
    if (type === 'participant') {
      acted.push(data);
      showMeeting();
    }
    if (seq <= known) return; // it was loaded
    words.apply({ type, data });
    voices.drawSoon();
    if (type === 'summary') {
      // Where nobody gave it a name, its title becomes that which was made with the summary, at its end.
      const title = now.title || now.name || !OVER.has(now.status) ? now.title : data.title;
      describe({ ...now, title, data: { ...now.data, summary: data } });
    }
    if (type === 'transcription') learnTracks(data.track);
    if (meeting && (type === 'transcription' || type === 'diarization')) showMeeting();
    if (type !== 'status') return;
    if (!OVER.has(data.status)) {
      // The last words of live speech come within moments, without a progress.
      if (data.state !== 'processing' || data.progress > 0) tellProgress(data.state, Math.round(data.progress));
      return;
    }
    words.live = false;
    readable(await getTranscript(id));
  });
  listening.addEventListener('state', ({ detail: { state, retryInS } }) => {
    if (!standing) return; // there is nothing to wait for
    if (state === 'waiting') progress.textContent = t('state.lost', { again: tryingAgain(retryInS) });
    else if (state === 'open') tellProgress(standing.state, standing.percent);
  });
  listening.addEventListener('refused', ({ detail }) => complain(new ApiError(detail.message, { code: detail.code })));
  listening.start();
}

/** To the word that the address names, such as one that was searched for. */
async function goToPlace() {
  const place = placeOf(location.hash);
  if (!place) return;
  const sounds = !place.track || now.data.tracks?.some((track) => track.id === place.track);
  const time = place.time + (offsets.get(place.track) ?? 0);
  if (!lower.hidden && sounds) await player.cue(time, place.track);
  words.mark(time, place.track);
}

/** There is nothing to show: what may have become of it, and where to go. */
function showMissing() {
  document.title = t('title.missing');
  document.body.dataset.page = 'missing';
  document.querySelector('main').replaceChildren(
    h('h1', { text: t('problem.NOT_FOUND') }),
    h('p', { class: 'lead', text: t('problem.NOT_FOUND.do') }),
    h('div', { class: 'row' }, h('a', { href: '/t', text: t('missing.library') })));
}

/** Only the transcript's own absence says that there is none: what else is not found, its sound say, does not. */
function missing(error) {
  if (error.code !== 'NOT_FOUND') throw error;
  showMissing();
}

async function open() {
  const foot = h('div', { class: 'row foot' }, downloads, remove);
  document.querySelector('main').append(name, facts, progress, problem, panels, words, foot, lower, voices.bar);
  for (const each of [lower, brief.element, contents.element, sharing.element]) show(each, false);
  name.addEventListener('change', rename);
  name.addEventListener('input', fitName);
  addEventListener('resize', fitName);
  name.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    name.blur();
  });
  player.addEventListener('problem', () => problem.show({ key: 'problem.sound' }));
  downloads.addEventListener('problem', ({ detail }) => problem.show(detail));
  topics.addEventListener('go', ({ detail }) => {
    const place = words.goTo(detail);
    if (place && !lower.hidden) player.cue(place.time, place.track);
  });
  share.addEventListener('change-to', async ({ detail }) => {
    const changed = await wish(async () => describe(await changeTranscript(id, detail)));
    if (changed) share.saved();
    else describe(now);
  });
  share.addEventListener('delete-sound', removeSound);
  addEventListener('hashchange', goToPlace);
  try {
    const transcript = await getTranscript(id).catch(missing);
    if (!transcript) return;
    const me = await whoAmI();
    mine = me !== null && (me.is_admin || !transcript.user_id || transcript.user_id === me.id);
    words.load(await allSegments(id));
    describe(transcript);
    if (isReadable(transcript)) readable(transcript);
    else if (isMeeting(transcript)) showMeeting();
    follow(transcript);
    await goToPlace();
  } catch (error) {
    if (!now) {
      show(name, false);
      show(foot, false);
    }
    complain(error);
  }
}

await open();

// Every element in every state, without a server: to look at, and for tests.

import '../js/files_strings.js';
import '../js/meeting_strings.js';
import '../js/projects_strings.js';
import '../elements/consent_question.js';
import '../elements/download_links.js';
import '../elements/drop_files.js';
import '../elements/engine_notice.js';
import '../elements/known_voices.js';
import '../elements/level_meter.js';
import '../elements/loop_view.js';
import '../elements/people_list.js';
import '../elements/portal_form.js';
import '../elements/problem_note.js';
import '../elements/room_form.js';
import '../elements/room_list.js';
import '../elements/said_words.js';
import '../elements/search_everywhere.js';
import '../elements/sending_progress.js';
import '../elements/share_choice.js';
import '../elements/site_header.js';
import '../elements/speaker_names.js';
import '../elements/state_line.js';
import '../elements/summary_view.js';
import '../elements/topic_list.js';
import '../elements/transcript_list.js';
import '../elements/transcript_player.js';
import '../elements/typed_answer.js';
import '../elements/voice_pass.js';
import '../elements/words_view.js';
import { fileStories } from './file_stories.js';
import { meetingStories } from './meeting_stories.js';
import { projectStories } from './project_stories.js';
import { talkStories } from './talk_stories.js';
import { h } from '../js/dom.js';
import { LoopMinute } from '../js/loop_minute.js';
import { portalWords } from '../js/portal_words.js';
import { roomWords } from '../js/room_words.js';
import { stateWords } from '../js/state_words.js';
import { has } from '../js/strings.js';

const main = document.querySelector('main');
main.append(h('h1', { text: 'Elements' }));

function story(name, ...elements) {
  main.append(h('section', { class: 'story', id: name.replace(/\W+/g, '-') }, h('h2', { text: name }), ...elements));
}

function words(messages, { live = false, playable = false } = {}) {
  const view = document.createElement('words-view');
  queueMicrotask(() => {
    for (const data of messages) view.apply({ type: 'transcription', data });
    view.playable = playable;
    if (live) view.live = true;
  });
  return view;
}

const T0 = 1_700_000_000;
let count = 0;

function segment(speaker, start, text, more = {}) {
  const spoken = text.split(' ');
  const each = 0.35;
  return {
    segment_id: `seg_${(count += 1)}`, text, speaker, timestamp: T0 + start, start, end: start + spoken.length * each,
    is_final: true, revision: 1, track: 'trk_1', language: 'en', confidence: 0.9,
    words: spoken.map((word, i) => ({ text: word, start: start + i * each, end: start + (i + 1) * each, confidence: 0.9 })),
    ...more,
  };
}

const conversation = () => [
  segment('Anna', 0.9, 'good morning everyone and thank you for coming to the meeting'),
  segment('Ben', 4.7, 'good morning i would like to talk about the new water system in the city'),
  segment('Ben', 9.8, 'it is a large piece of work'),
  segment('Anna', 13.2, 'how many people will use it in the first year'),
];

story('words finals', words(conversation(), { playable: true }));
story('words interim', words([...conversation(), segment('Ben', 18, 'we think about twenty thousand peop', { is_final: false })]));
story('words right to left', words([segment('دانا', 1, 'صباح الخير وشكرا لكم على الحضور', { language: 'ar' })]));
story('words hostile', words([segment('<b>x</b>', 1, '<img src=x onerror="window.hurt=1"> <script>window.hurt=1</script>')]));
story('words long', words([segment('Somebody with a really long name indeed', 3725, `${'a'.repeat(120)} ${'and so on '.repeat(30).trim()}`)]));

const states = {
  'state idle': { phase: 'idle' },
  'state opening': { phase: 'opening', source: 'microphone' },
  'state connecting': { phase: 'connecting' },
  'state live': { phase: 'live', lagMs: 400 },
  'state behind': { phase: 'live', lagMs: 1200 },
  'state far behind': { phase: 'live', lagMs: 7300 },
  'state silent': { phase: 'live', lagMs: 100, silent: true },
  'state paused': { phase: 'live', lagMs: 100, paused: true },
  'state degraded': { phase: 'live', lagMs: 2100, engineState: 'degraded' },
  'state words lost': { phase: 'live', lagMs: 100, listening: 'waiting', listeningRetryInS: 3 },
  'state lost': { phase: 'lost', transport: 'webrtc', retryInS: 3 },
  'state lost but kept': { phase: 'lost', transport: 'websocket', retryInS: 3, waitingS: 12 },
  'state finishing': { phase: 'finishing', lagMs: 2400 },
  'state done': { phase: 'done' },
  'state failed': { phase: 'failed' },
};
for (const [name, state] of Object.entries(states)) {
  const line = document.createElement('state-line');
  story(name, line);
  const session = { source: 'microphone', transport: 'webrtc', engineState: 'ok', waitingS: 0, lagMs: null, ...state };
  line.show(stateWords(session, { silent: state.silent }));
}

const inRoom = { phase: 'live', people: [], participantId: 'p1', listening: 'open', muted: false, listensOnly: false };
const roomStates = {
  'room state connecting': { phase: 'connecting' },
  'room state alone': {},
  'room state muted': { muted: true },
  'room state lost': { phase: 'lost', retryInS: 4 },
  'room state wordless': { listening: 'waiting' },
  'room state listening': { listensOnly: true, people: [{ id: 'p2' }] },
};
for (const [name, state] of Object.entries(roomStates)) {
  const line = document.createElement('state-line');
  story(name, line);
  line.show(roomWords({ ...inRoom, ...state }));
}

const people = document.createElement('people-list');
story('people', people);
people.show([
  { id: 'p1', name: 'Anna Bergström', colour: 1, me: true, state: 'speaking' },
  { id: 'p2', name: 'Ben', colour: 2, me: false, state: 'muted' },
  { id: 'p3', name: 'دانا', colour: 3, me: false, state: 'here' },
  { id: 'p4', name: `<b>${'x'.repeat(90)}</b>`, colour: 4, me: false, state: 'connecting' },
  { id: 'p5', name: '👩‍👩‍👧 Familie', colour: 5, me: false, state: 'listening' },
]);
story('consent', document.createElement('consent-question'));
story('room form', document.createElement('room-form'));
const rooms = h('room-list', { story: true });
story('rooms', rooms);
rooms.rooms = [
  { id: 'a', name: 'weekly-standup', share_mode: 'public', platform: 'builtin', recording_type: 'local', is_locked: false },
  { id: 'b', name: `room-${'x'.repeat(59)}`, share_mode: 'semi-private', platform: 'whereby', recording_type: 'none', is_locked: true },
];

const asking = document.createElement('portal-form');
story('portal form', asking);
asking.show({
  tags: [{ id: 'a', text: 'youth' }, { id: 'b', text: `<b>${'x'.repeat(90)}</b>` }, { id: 'c', text: 'شباب' }],
  ask_for_name: true, name_label: '', ask_for_email: true, organiser_name: 'The district', legal_basis: 'You agreed to it.', privacy_policy_url: 'https://example.org/privacy',
});
const said = document.createElement('said-words');
story('portal words', said);
queueMicrotask(() => said.show([
  { id: 'a', path: 'x', transcript: 'the crossing at the school needs a light' },
  { id: 'b', path: null, transcript: `<img src=x onerror="window.hurt=1"> ${'a'.repeat(120)}` },
  { id: 'c', path: 'x', transcript: 'صباح الخير' },
]));
const portalStates = { opening: {}, recording: {}, silent: { phase: 'recording', silent: true }, paused: {} };
for (const [phase, state] of Object.entries(portalStates)) {
  const line = document.createElement('state-line');
  story(`portal state ${phase}`, line);
  line.show(portalWords({ phase, ...state }));
}
const sending = {
  'portal sending': { state: 'sending', waiting: 2, confirmed: 3 },
  'portal sending nothing': { state: 'idle', waiting: 0, confirmed: 3 },
  'portal sending later': { state: 'waiting', waiting: 1, confirmed: 3, retryInS: 4 },
  'portal sending stopped': { state: 'stopped', waiting: 12, confirmed: 0 },
};
for (const [name, sender] of Object.entries(sending)) {
  const element = document.createElement('sending-progress');
  story(name, element);
  element.show(sender, { bar: true });
}
story('portal typed', document.createElement('typed-answer'));

const meter = document.createElement('level-meter');
story('level', meter);
for (let i = 0; i < 24; i += 1) meter.push(-50 + 45 * Math.abs(Math.sin(i / 3)));

const notice = 'The recogniser in use is the small one. For a much better one: earshot models pull whisper-base.en';
const items = [{ name: 'whisper-base', size_mb: 148 }, { name: 'whisper-base.en', size_mb: 148 }];
const engines = {
  'engine embedded': [{ state: 'ok', engine: 'pocketsphinx', notice }, { items }],
  'engine fetching': [{ state: 'ok', engine: 'pocketsphinx', notice }, { items, pull: { state: 'pulling', model: 'whisper-base.en', done_bytes: 42e6, total_bytes: 148e6 } }],
  'engine fetch failed': [{ state: 'ok', engine: 'pocketsphinx', notice }, { items, pull: { state: 'failed', model: 'whisper-base.en', message: 'no network' } }],
  'engine good': [{ state: 'ok', notice: '', model: 'whisper-base.en', engine: 'faster-whisper' }, null],
  'engine instead of a damaged one': [{ state: 'ok', notice: 'Not whisper-base.en: it is damaged; fetch it anew.', model: 'whisper-tiny.en', engine: 'faster-whisper' }, null],
  'engine starting': [{ state: 'starting', notice: '' }, null],
  'engine degraded': [{ state: 'degraded', notice: '' }, null],
};
for (const [name, [status, catalogue]] of Object.entries(engines)) {
  const element = h('engine-notice', { story: true });
  story(name, element);
  element.render(status, catalogue);
}

const problems = ['portal.closed', 'portal.gone', 'storage.full', 'room.full', 'room.missing', 'room.path', 'microphone.gone', 'microphone.denied', 'microphone.missing', 'microphone.insecure', 'UNREACHABLE', 'OVERLOADED', 'other'];
for (const key of problems.map((name) => `problem.${name}`)) {
  const note = document.createElement('problem-note');
  story(key, note);
  note.show({ key: has(key) ? key : 'problem.other', values: { message: 'the disk is full', max: 12 } }, [h('button', { text: 'Try again' })]);
}

const player = document.createElement('transcript-player');
story('player', player);
const downloads = document.createElement('download-links');
story('downloads', downloads);
downloads.show('story');

const listed = (id, name, state, duration, count_) => ({
  id, name, created_at: '2026-11-21T09:30:00Z', data: { state, duration, words: count_ },
});
const list = h('transcript-list', { story: true });
story('list', list);
list.items = [
  listed('a', 'Council meeting', 'ended', 3725, 5120),
  listed('b', '', 'recording', 62, 1),
  listed('c', 'interview with a name that is quite long and goes on for a while.m4a', 'processing', 1800, 210),
  listed('d', '<img src=x onerror="window.hurt=1">', 'failed', 3, 0),
];
const none = h('transcript-list', { story: true });
story('list empty', none);
none.items = [];
const deleted = h('transcript-list', { story: true });
story('list bin', deleted);
deleted.items = [{ ...listed('e', 'Council meeting '.repeat(9), 'ended', 3725, 5120), deleted_at: '2026-11-21T09:30:00Z' }];

const search = h('search-everywhere', { story: true });
story('search', search);
const hit = (text, matches, speaker, start) => ({ text, matches, speaker, start, time: start, track: 'trk_1' });
search.render({
  total: 2,
  results: [
    {
      id: 'a', title: 'Council meeting', created_at: '2026-11-21T09:30:00Z', duration: 3725, total_match_count: 5,
      snippets: [hit('…talk about the new water system in the city', [[20, 25]], 'Ben', 6.2), hit('👩‍👩‍👧 <b>water</b>', [[9, 14]], 'Anna Bergström', 3721)],
    },
    { id: 'b', title: '', created_at: '2026-11-20T09:30:00Z', duration: 5, total_match_count: 1, snippets: [hit(`${'x'.repeat(120)} water`, [[121, 126]], null, 1)] },
  ],
}, 0, 'water');
const voices = document.createElement('speaker-names');
story('speakers', voices);
voices.show([
  { label: 'Speaker 1', name: 'Anna Bergström', colour: 1, words: 412 },
  { label: 'Speaker 2', name: 'دانا', colour: 2, words: 1, recognised: true },
  { label: 'Speaker 3', name: `<b>${'x'.repeat(120)}</b>`, colour: 3, words: 12345 },
]);
const known = document.createElement('known-voices');
story('voices that are recognised', known);
known.show([{ label: 'Speaker 1', name: 'Anna Bergström' }, { label: 'Speaker 2', name: 'دانا' }], [
  { id: 'a', name: 'دانا', created_at: '2026-11-20T09:30:00Z' },
  { id: 'b', name: `<b>${'x'.repeat(120)}</b>`, created_at: '2026-11-20T09:30:00Z' },
]);
const pass = document.createElement('voice-pass');
story('voices told apart again', pass);
pass.end({ voices: 3, segments: 12, split: 2 });
story('words to set right', Object.assign(words(conversation(), { playable: true }), { editable: true }));
const brief = document.createElement('summary-view');
brief.show({
  summary: 'The roof of the school leaks. The school needs a new roof.',
  key_points: ['The school needs a new roof.', 'The council has money for it.'],
  action_items: ['Anna will call the council by Friday.'],
  topics: ['school', 'roof', 'council'],
  method: 'extractive',
});
story('summary', brief);
const contents = document.createElement('topic-list');
story('topics', contents);
contents.show([
  { title: 'water, city, pipes', timestamp: 0.9, segments: [{ segment_id: 's1' }] },
  { title: `<img src=x onerror="window.hurt=1"> ${'long '.repeat(30)}`, timestamp: 3725, segments: [] },
]);
const share = document.createElement('share-choice');
story('share', share);
share.show({ id: 'a', share_mode: 'semi-private', locked: true }, { audible: true });

story('drop', Object.assign(document.createElement('drop-files'), { maxMb: 500 }));

/** A minute of two workers: one busy with all kinds of steps, one that was just lost. */
function loopAnswer() {
  const steps = [];
  for (let i = 0; i < 150; i += 1) {
    const kind = i % 11 === 10 ? 'guess' : i % 7 === 6 ? 'final' : i % 5 === 4 && i > 60 ? 'file' : 'interim';
    steps.push([i + 1, 0, kind, 59.8 - i * 0.39, 1 + (i * 5) % 8, 8, (i * 37) % 400, 40 + ((i * 53) % 200), 16000, 60, 1.6]);
  }
  const worker = (index, state, more) => ({ index, state, sessions: 6 - index * 6, restarts: index, resident_mb: 412, ...more });
  return {
    run: 'story', last: 150, window_s: 60, gave_up: 1, steps,
    engine: { state: 'ok', engine: 'faster-whisper', model: 'whisper-base.en', device: 'cpu' },
    workers: [
      worker(0, 'ok', { busy: 0.43, interim_ms: 300, waiting: 2, interims_dropped: 17, guard_hits: { repeats: 2 } }),
      worker(1, 'degraded', {}),
    ],
    sessions: { live: 12, files: 1, furthest: [['a1b2c3d4', 'live', 1840], ['0f9e8d7c', 'live', 620], ['77aa66bb', 'live', 90], ['1234abcd', 'file', 28300]] },
    notes: [[1, 21.4, 'lost', ''], [0, 12.2, 'guard', 'repeats'], [0, 55, 'ready', '']],
  };
}
for (const [name, answer] of [['loop', loopAnswer()], ['loop still', { ...loopAnswer(), steps: [], notes: [], sessions: { live: 0, files: 0, furthest: [] } }]]) {
  const element = document.createElement('loop-view');
  story(name, element);
  const minute = new LoopMinute();
  minute.take(answer, performance.now());
  element.show(answer, minute, performance.now());
}
projectStories(story);
fileStories(story, conversation);
meetingStories(story);
talkStories(story);
document.documentElement.dataset.ready = 'true';

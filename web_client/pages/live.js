// The live page: one button, the words, and what becomes of them.

import '../elements/download_links.js';
import '../elements/engine_notice.js';
import '../elements/level_meter.js';
import '../elements/problem_note.js';
import '../elements/site_header.js';
import '../elements/speaker_count.js';
import '../elements/state_line.js';
import '../elements/summary_view.js';
import '../elements/transcript_player.js';
import '../elements/words_view.js';
import { foldPanel } from '../elements/fold_panel.js';
import { getTranscript } from '../js/api.js';
import { dock } from '../js/dock.js';
import { h, icon, ICONS, show } from '../js/dom.js';
import { clock } from '../js/format.js';
import { Level } from '../js/level.js';
import { eventsOf, Listening } from '../js/listening.js';
import { LiveSession } from '../js/live_session.js';
import { problemOf } from '../js/problem.js';
import { tie } from '../js/reading.js';
import { stateWords } from '../js/state_words.js';
import { t } from '../js/strings.js';

const transport = new URLSearchParams(location.search).get('transport') ?? 'auto';
const HOME = location.pathname + location.search;
const SUMMARY_MS = 60_000; // so long the one of the whole recording is waited for
const BUSY = ['opening', 'connecting', 'live', 'lost'];

class LivePage {
  #session = new LiveSession({ transport });
  #level = null;
  #silent = false;
  #untie = null;

  #button = h('button', { class: 'big', type: 'button', onclick: () => this.#press() });
  #buttonText = h('span', {});
  #pause = h('button', { type: 'button', class: 'pause', onclick: () => this.#pauseOrGoOn() });
  #audible = h('input', { type: 'checkbox', id: 'audible', checked: true });
  #meter = document.createElement('level-meter');
  #elapsed = h('span', { class: 'elapsed', role: 'timer', 'aria-label': t('live.elapsed') });
  #state = document.createElement('state-line');
  #words = document.createElement('words-view');
  #waiting = h('p', { class: 'waiting muted' });
  #problem = document.createElement('problem-note');
  #player = document.createElement('transcript-player');
  #downloads = document.createElement('download-links');
  #summary = document.createElement('summary-view');
  #brief = foldPanel(t('summary.title'), this.#summary);
  #last = null; // listens for the summary of what is over
  #own = h('a', { class: 'own-page' });
  #new = h('button', { type: 'button', text: t('live.new'), onclick: () => this.#reset() });
  #hint = h('p', { class: 'muted hint', text: t('player.hint') });

  #voices = h('p', { class: 'muted', text: t('live.voices') });
  #count = document.createElement('speaker-count');
  #notice = document.createElement('engine-notice');

  #welcome = h('div', { class: 'welcome' },
    h('h1', { text: t('live.heading') }),
    h('p', { class: 'lead', text: t('live.intro') }),
    this.#voices, this.#count);

  #sample = h('div', { class: 'sample' },
    h('p', { class: 'muted', text: t('live.sample.what') }),
    h('div', { class: 'row' },
      h('button', { type: 'button', class: 'sample-button', text: t('live.sample'), onclick: () => this.#start('sample') }),
      h('label', { class: 'check' }, this.#audible, t('live.sample.audible'))));

  #after = h('div', { class: 'after' }, this.#hint, this.#downloads, h('div', { class: 'row' }, this.#new, this.#own));

  build() {
    document.title = t('title.live');
    const main = document.querySelector('main');
    main.append(
      this.#welcome, this.#words, h('div', { class: 'panels' }, this.#brief.element), this.#waiting, this.#problem, this.#after,
      dock(
        h('div', { class: 'dock-row' }, this.#button, this.#pause, this.#meter, this.#elapsed),
        this.#player, this.#state, this.#notice),
      this.#sample);
    show(this.#brief.element, false);
    this.#button.append(h('span', { class: 'big-icon' }), this.#buttonText);
    addEventListener('keydown', (event) => {
      if (event.key !== ' ' || this.#session.phase !== 'idle') return;
      if (event.target.closest('button, a, input, select, summary')) return;
      event.preventDefault();
      this.#start('microphone');
    });
    addEventListener('beforeunload', (event) => this.#session.running && event.preventDefault());
    this.#player.addEventListener('problem', () => this.#problem.show({ key: 'problem.sound' }));
    this.#downloads.addEventListener('problem', ({ detail }) => this.#problem.show(detail));
    // Addresses of transcripts are another page's; this one put them there only for the time after.
    addEventListener('popstate', () => location.reload());
    this.#notice.addEventListener('told', ({ detail: { state, encoder } }) => {
      if (state !== 'ok' || encoder) return;
      this.#voices.textContent = t('live.voices.none');
      show(this.#count, false);
    });
    setInterval(() => this.#render(), 500);
    this.#render();
  }

  #press() {
    if (BUSY.includes(this.#session.phase)) this.#session.stop();
    else this.#start('microphone');
  }

  async #pauseOrGoOn() {
    this.#problem.clear();
    await this.#session.setPaused(!this.#session.paused).catch((error) => this.#problem.show(problemOf(error)));
  }

  #start(source) {
    this.#reset();
    const session = this.#session;
    let before = session.phase;
    session.addEventListener('change', () => {
      if (session !== this.#session) return;
      this.#render();
      if (session.phase === before) return;
      before = session.phase;
      if (before === 'finishing' || before === 'done') this.#settle(session.transcriptId);
      if (before === 'done') this.#finished();
      if (before === 'failed') this.#failed();
    });
    session.addEventListener('message', ({ detail }) => {
      this.#words.apply(detail);
      this.#tell(detail);
    });
    session.addEventListener('stream', ({ detail }) => this.#measure(detail));
    this.#words.live = true;
    const name = source === 'sample' ? t('live.sample.name') : undefined;
    const known = source === 'microphone' ? this.#count.known : {};
    session.start({ source, audible: this.#audible.checked, name, known });
  }

  #measure(stream) {
    this.#level?.close();
    this.#level = new Level(stream, ({ db, silent }) => {
      this.#meter.push(db);
      this.#silent = silent;
    });
  }

  #quiet() {
    this.#level?.close();
    this.#level = null;
    this.#silent = false;
    this.#meter.reset();
    this.#words.live = false;
  }

  /** What is recorded has an address of its own: a reload shows it again, and the address can be given away. */
  #settle(id) {
    const own = `/t/${encodeURIComponent(id)}`;
    if (location.pathname !== own) history.replaceState(null, '', own);
    this.#own.href = own;
  }

  /** For a new recording; Back leads to the one before. */
  #leave() {
    if (location.pathname + location.search !== HOME) history.pushState(null, '', HOME);
  }

  async #finished() {
    this.#quiet();
    const id = this.#session.transcriptId;
    this.#own.textContent = t('live.open');
    this.#downloads.show(id);
    this.#untie = tie(this.#words, this.#player);
    show(this.#after, true);
    const transcript = await getTranscript(id).catch(() => null);
    if (transcript && id === this.#session.transcriptId) {
      if (transcript.data.summary) this.#tell({ type: 'summary', data: transcript.data.summary });
      this.#awaitSummary(id, transcript.data.last_seq);
    }
    await this.#player.load(id, { duration: transcript?.data.duration, track: transcript?.data.tracks?.[0]?.id });
  }

  /** The summary of what is being said comes while it is, and the one of all of it some moments after its end. */
  #tell({ type, data }) {
    if (type === 'summary') show(this.#brief.element, this.#summary.show(data));
  }

  #awaitSummary(id, after) {
    const listening = new Listening(eventsOf(id), { after });
    const timer = setTimeout(() => listening.close(), SUMMARY_MS);
    listening.addEventListener('message', ({ detail }) => {
      this.#tell(detail);
      if (detail.type !== 'summary') return;
      clearTimeout(timer);
      listening.close();
    });
    this.#last = listening.start();
  }

  #failed() {
    this.#quiet();
    const retry = h('button', { type: 'button', text: t('retry'), onclick: () => this.#start(this.#session.source) });
    this.#problem.show(this.#session.problem, [retry]);
  }

  #reset() {
    this.#quiet();
    this.#leave();
    this.#untie?.();
    this.#untie = null;
    this.#last?.close();
    this.#last = null;
    show(this.#brief.element, false);
    this.#words.clear();
    this.#problem.clear();
    this.#session = new LiveSession({ transport });
    this.#render();
  }

  #render() {
    const session = this.#session;
    const { phase } = session;
    const busy = BUSY.includes(phase);
    document.body.dataset.phase = phase;
    this.#button.classList.toggle('on', busy);
    this.#button.disabled = phase === 'finishing';
    const label = t(busy || phase === 'finishing' ? 'live.stop' : 'live.start');
    if (this.#buttonText.textContent !== label) {
      this.#buttonText.textContent = label;
      this.#button.firstChild.replaceChildren(icon(...ICONS[busy || phase === 'finishing' ? 'stop' : 'microphone']));
    }
    const before = phase === 'idle' || phase === 'failed';
    show(this.#button, phase !== 'done');
    show(this.#welcome, before && this.#words.empty);
    show(this.#words, !(before && this.#words.empty));
    show(this.#sample, before);
    show(this.#pause, phase === 'live' && session.source === 'microphone');
    this.#renderPause(session.paused);
    show(this.#meter, busy);
    show(this.#elapsed, busy && session.startedAt !== null);
    show(this.#after, phase === 'done');
    show(this.#player, phase === 'done' && !this.#words.empty);
    show(this.#waiting, (phase === 'live' || phase === 'done') && this.#words.empty);
    this.#waiting.textContent = this.#waitingText(phase);
    if (busy) this.#elapsed.textContent = clock(session.elapsedS);
    this.#state.show(stateWords(session, { silent: this.#silent }));
  }

  #renderPause(paused) {
    const label = t(paused ? 'live.resume' : 'live.pause');
    if (this.#pause.ariaLabel === label) return;
    this.#pause.ariaLabel = label;
    this.#pause.replaceChildren(icon(...ICONS[paused ? 'microphone' : 'pause']), h('span', { text: label }));
  }

  #waitingText(phase) {
    if (phase === 'done') return t('live.nothing');
    return t(this.#session.source === 'sample' ? 'live.waiting.sample' : 'live.waiting');
  }
}

new LivePage().build();

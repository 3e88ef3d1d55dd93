// The page of a project: what its host asks, the recording, and the thanks. For participants without an account.

import '../elements/level_meter.js';
import '../elements/portal_form.js';
import '../elements/problem_note.js';
import '../elements/said_words.js';
import '../elements/sending_progress.js';
import '../elements/state_line.js';
import '../elements/typed_answer.js';
import { recordingType } from '../js/chunk_recorder.js';
import { dock } from '../js/dock.js';
import { h, icon, ICONS, show } from '../js/dom.js';
import { clock } from '../js/format.js';
import { MicrophoneError } from '../js/microphone.js';
import { chunksOf, getConversation, getProject } from '../js/portal_api.js';
import { PortalLive } from '../js/portal_live.js';
import { portalProblemOf } from '../js/portal_problem.js';
import { PortalSession } from '../js/portal_session.js';
import { PortalStore } from '../js/portal_store.js';
import { portalWords } from '../js/portal_words.js';
import { speak, t } from '../js/strings.js';

const id = decodeURIComponent(location.pathname.replace(/\/+$/, '').split('/').pop());
const CHUNK_S = 30;
const CHUNK_MIN_S = 2;
const LOOK_SOON_MS = 250; // words come in a row
const LOOK_EVERY_MS = 4000; // for new words, while nobody would tell of them
const LOOK_AT_THE_END_MS = 1500;
const LOOK_ALL_THE_SAME_MS = 30_000;
const LOOK_AT_THE_END_UNTIL_MS = 10 * 60_000;
const UNDER_WAY = ['opening', 'recording', 'paused'];

/** Seconds of sound in one chunk: 30, or fewer where the address asks for it (`?chunk_s=`), 2 at least. */
function chunkS() {
  const asked = Number.parseFloat(new URLSearchParams(location.search).get('chunk_s'));
  return Number.isFinite(asked) ? Math.min(CHUNK_S, Math.max(CHUNK_MIN_S, asked)) : CHUNK_S;
}

class PortalPage {
  #project = null;
  #session = null;
  #live = null;
  #doneAt = 0;
  #written = null; // of the conversation, as the server tells it at the end

  #heading = h('h1', { dir: 'auto' });
  #problem = document.createElement('problem-note');
  #welcome = h('p', { class: 'host-text welcome-text', dir: 'auto' });
  #form = document.createElement('portal-form');
  #unfinished = h('div', { class: 'unfinished' },
    h('h2', { text: t('portal.unfinished') }), h('p', { class: 'muted', text: t('portal.unfinished.do') }),
    h('div', { class: 'row' },
      this.#button('portal.resume', () => this.#session.resume(), 'primary'),
      this.#button('portal.finish', () => this.#session.finish())));
  #alarm = h('div', { class: 'alarm', role: 'alert' });

  #thanks = h('h2', { tabindex: -1 });
  #finishText = h('p', { class: 'host-text', dir: 'auto' });
  #left = h('p', { class: 'muted', role: 'status' });
  #finishProgress = document.createElement('sending-progress');
  #again = this.#button('portal.again', () => location.reload(), 'primary');
  #over = h('div', { class: 'thanks' }, this.#thanks, this.#finishText, this.#left, this.#finishProgress, h('div', { class: 'row' }, this.#again));

  #words = document.createElement('said-words');
  #waiting = h('p', { class: 'waiting muted' });
  #typed = document.createElement('typed-answer');

  #pause = h('button', { type: 'button', class: 'on-off', onclick: () => this.#toggle() });
  #meter = document.createElement('level-meter');
  #elapsed = h('span', { class: 'elapsed', title: t('live.elapsed') });
  #finish = this.#button('portal.finish', () => this.#session.finish(), 'primary');
  #state = document.createElement('state-line');
  #progress = document.createElement('sending-progress');
  #dock = dock(h('div', { class: 'dock-row' }, this.#pause, this.#meter, this.#elapsed, h('span', { class: 'gap' }), this.#finish), this.#state, this.#progress);

  #button(key, onclick, kind) {
    return h('button', { type: 'button', class: kind, text: t(key), onclick });
  }

  async build(project, refusal) {
    this.#project = project;
    document.querySelector('main').append(
      this.#heading, this.#problem, this.#welcome, this.#form, this.#unfinished, this.#over, this.#alarm,
      this.#words, this.#waiting, this.#typed, show(this.#dock, false));
    this.#form.addEventListener('begin', ({ detail }) => this.#session.begin(detail.fields, detail));
    this.#typed.addEventListener('typed', ({ detail }) => this.#write(detail));
    this.#words.lang = project?.language ?? '';
    if (project) this.#form.show(project, { silent: recordingType() === null });
    for (const part of [this.#welcome, this.#form, this.#unfinished, this.#over, this.#alarm, this.#waiting, this.#typed]) show(part, false);
    document.title = t('title.portal', { name: project?.title ?? 'Earshot' });
    this.#heading.textContent = project?.title ?? '';
    show(this.#heading, Boolean(project));
    try {
      const store = await PortalStore.open();
      await this.#alone();
      const kept = await store.unfinished(id);
      if (!project && !kept) return this.#refuse(refusal);
      this.#begin(store);
      if (kept) await this.#session.find(kept);
    } catch (error) {
      return this.#refuse(error);
    }
    this.#problem.clear();
    if (this.#session.phase === 'idle' && recordingType() === null) {
      this.#problem.show(portalProblemOf(new MicrophoneError('unsupported')));
    }
    this.#render();
    setInterval(() => this.#tick(), 300);
    document.addEventListener('visibilitychange', () => this.#lookSoon());
    this.#look();
  }

  #refuse(error) {
    document.body.dataset.phase = 'failed';
    this.#problem.show(portalProblemOf(error), [this.#button('retry', () => location.reload())]);
  }

  /** Of several windows in one browser one records and sends; the others wait until it is closed. */
  #alone() {
    if (!navigator.locks) return null;
    return new Promise((resolve, reject) => {
      const held = () => {
        resolve();
        return new Promise(() => {}); // as long as the page lives
      };
      const name = `earshot.portal.${id}`;
      navigator.locks.request(name, { ifAvailable: true }, (lock) => {
        if (lock) return held();
        this.#problem.show({ key: 'problem.portal.elsewhere' });
        navigator.locks.request(name, held).catch(reject);
        return null;
      }).catch(reject);
    });
  }

  #begin(store) {
    const session = new PortalSession({ id }, store, { chunkS: chunkS() });
    this.#session = session;
    let [before, problem] = [session.phase, null];
    session.addEventListener('change', () => {
      if (session.problem !== problem) this.#tell((problem = session.problem));
      this.#render();
      if (session.phase === before) return;
      if (session.phase === 'recording' && before === 'opening') this.#pause.focus();
      if (session.phase === 'finishing') this.#thanks.focus();
      if (session.phase === 'done') {
        this.#doneAt = performance.now();
        this.#look();
      }
      before = session.phase;
    });
    session.addEventListener('level', ({ detail }) => {
      this.#meter.push(detail);
      this.#live?.heard(detail);
    });
    addEventListener('beforeunload', (event) => session.holds && event.preventDefault());
  }

  #tell(problem) {
    if (!problem) return this.#problem.clear();
    const gone = problem.key === 'problem.portal.gone';
    const sending = this.#session.sender?.state === 'stopped';
    this.#problem.show(problem, [
      ...(sending ? [this.#button('retry', () => this.#session.tryAgain())] : []),
      ...(gone ? [this.#button('portal.discard', () => this.#discard(), 'quiet')] : []),
    ]);
    return null;
  }

  async #discard() {
    if (!confirm(t('portal.discard.sure'))) return;
    await this.#session.discard();
    location.reload();
  }

  #toggle() {
    if (this.#session.phase === 'recording') this.#session.pause();
    else this.#session.resume();
  }

  async #write(text) {
    try {
      await this.#session.type(text);
      this.#typed.clear();
    } catch (error) {
      this.#problem.show(portalProblemOf(error));
    }
  }

  // -- the words --------------------------------------------------------------------------------------------------

  #lookTimer = 0;
  #looking = false;
  #soon = false; // another look is wanted

  /** Ask for the words: when something of them was told, and all the same now and then. */
  async #look() {
    clearTimeout(this.#lookTimer);
    this.#soon = this.#looking;
    if (this.#looking) return;
    this.#looking = true;
    const { conversation, phase } = this.#session;
    const done = phase === 'done';
    if (conversation && !document.hidden) {
      this.#listen(conversation);
      try {
        this.#words.show(await chunksOf(conversation.id));
        if (done) this.#written = await getConversation(id, conversation.id);
      } catch {
        // Not reachable now: what is being sent tells that, too, and the next look comes.
      }
      this.#render();
    }
    this.#looking = false;
    if (done && (this.#written?.is_all_chunks_transcribed || performance.now() - this.#doneAt > LOOK_AT_THE_END_UNTIL_MS)) {
      this.#live?.close();
      return;
    }
    this.#lookIn(this.#soon ? LOOK_SOON_MS : this.#live?.open ? LOOK_ALL_THE_SAME_MS : done ? LOOK_AT_THE_END_MS : LOOK_EVERY_MS);
  }

  #lookSoon() {
    if (this.#soon) return;
    this.#soon = true;
    if (!this.#looking) this.#lookIn(LOOK_SOON_MS);
  }

  #lookIn(delayMs) {
    clearTimeout(this.#lookTimer);
    this.#lookTimer = setTimeout(() => this.#look(), delayMs);
  }

  #listen(conversation) {
    if (this.#live) return;
    this.#live = new PortalLive(conversation.id);
    this.#live.addEventListener('said', () => this.#lookSoon());
  }

  // -- what is shown ----------------------------------------------------------------------------------------------

  #tick() {
    this.#elapsed.textContent = clock(this.#session.recordedS);
    this.#progress.show(this.#session.sender ?? {});
  }

  #render() {
    const session = this.#session;
    const { phase, sender } = session;
    document.body.dataset.phase = phase;
    const underWay = UNDER_WAY.includes(phase) && session.conversation !== null;
    const over = phase === 'finishing' || phase === 'done';
    const atStart = !underWay && !over && phase !== 'unfinished';
    show(this.#welcome, atStart && Boolean(this.#project?.welcome_text));
    this.#welcome.textContent = this.#project?.welcome_text ?? '';
    show(this.#form, atStart && this.#project !== null);
    this.#form.disabled = phase === 'opening';
    show(this.#unfinished, phase === 'unfinished');
    this.#renderAlarm(phase === 'recording' && session.silent);
    show(this.#words, !this.#words.empty);
    show(this.#waiting, (phase === 'recording' && this.#words.empty) || this.#nothing);
    this.#setText(this.#waiting, t(over ? 'portal.nothing' : 'portal.waiting'));
    show(this.#typed, underWay || phase === 'unfinished');
    show(this.#dock, underWay || phase === 'opening' || phase === 'unfinished');
    this.#renderDock(session);
    show(this.#over, over);
    if (over) this.#renderOver(phase, sender);
    this.#state.show(portalWords(session));
    this.#tick();
  }

  /** All of it is written down, and there is not a word. */
  get #nothing() {
    return this.#words.empty && Boolean(this.#written?.is_all_chunks_transcribed);
  }

  #renderDock({ phase }) {
    const recording = phase === 'recording';
    for (const part of [this.#pause, this.#finish]) {
      show(part, phase === 'recording' || phase === 'paused');
    }
    show(this.#meter, recording);
    show(this.#elapsed, recording || phase === 'paused');
    if (!recording) this.#meter.reset();
    const wanted = recording ? 'portal.pause' : 'portal.resume';
    if (this.#pause.dataset.does === wanted) return;
    this.#pause.dataset.does = wanted;
    this.#pause.replaceChildren(icon(...ICONS[recording ? 'pause' : 'microphone']), h('span', { text: t(wanted) }));
  }

  #renderOver(phase, sender) {
    this.#setText(this.#thanks, t('portal.thanks'));
    show(this.#finishText, Boolean(this.#project?.finish_text));
    this.#setText(this.#finishText, this.#project?.finish_text ?? '');
    const { is_all_chunks_transcribed: whole, chunks_settled: settled = 0, chunks_received: received = 0 } = this.#written ?? {};
    const done = whole ? t('portal.done.written') : t('portal.done', { settled, received });
    this.#setText(this.#left, phase === 'done' ? done : t('portal.finishing'));
    show(this.#finishProgress, phase !== 'done');
    this.#finishProgress.show(sender, { bar: true });
    show(this.#again, phase === 'done' && this.#project !== null);
  }

  #renderAlarm(wanted) {
    show(this.#alarm, wanted);
    if (wanted && !this.#alarm.hasChildNodes()) {
      this.#alarm.append(h('p', { class: 'alarm-what', text: t('portal.alarm') }), h('p', { text: t('portal.alarm.do') }));
    } else if (!wanted) this.#alarm.replaceChildren();
  }

  /** Only where it is another one: it may be read out. */
  #setText(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }
}

let project = null;
let refusal = null;
try {
  project = await getProject(id);
  await speak(project.language); // what its host wrote, and what is said, is in that language
} catch (error) {
  refusal = error;
}
await new PortalPage().build(project, refusal);

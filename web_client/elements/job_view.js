// A job that is open: its words as they come and as they are put right, its sound, its files, and what is asked about it.

import './ask_about.js';
import './download_links.js';
import './hear_again.js';
import './problem_note.js';
import './transcript_player.js';
import './words_view.js';
import { allSegments, ApiError, getTranscript } from '../js/api.js';
import { dock } from '../js/dock.js';
import { h, show, spoken } from '../js/dom.js';
import { fileProblemOf } from '../js/file_problem.js';
import { clock } from '../js/format.js';
import { heardOf, voicesOf } from '../js/heard.js';
import { eventsOf, Listening } from '../js/listening.js';
import { tie } from '../js/reading.js';
import { t } from '../js/strings.js';

const OVER = new Set(['completed', 'failed']);

class JobView extends HTMLElement {
  #words = document.createElement('words-view');
  #player = document.createElement('transcript-player');
  #downloads = document.createElement('download-links');
  #problem = document.createElement('problem-note');
  #ask = document.createElement('ask-about');
  #again = document.createElement('hear-again');
  #standing = h('p', { class: 'muted', role: 'status' });
  #page = h('a', { text: t('files.page') });
  #lower = dock(this.#player, h('p', { class: 'muted hint', text: t('player.hint') }));
  #listening = null;
  #untie = null;
  #id = '';

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.#words.beside = (segmentId) => this.#beside(segmentId);
    const foot = h('div', { class: 'row job-foot' }, this.#page, this.#downloads);
    this.append(this.#problem, this.#standing,
      h('div', { class: 'job-columns' }, h('div', { class: 'job-words' }, this.#words, foot), this.#ask), show(this.#lower, false));
    this.#player.addEventListener('problem', () => this.#problem.show({ key: 'problem.sound' }));
    this.#downloads.addEventListener('problem', ({ detail }) => this.#problem.show(detail));
    this.#again.addEventListener('problem', ({ detail }) => this.#complain(detail, 'again'));
    this.#again.addEventListener('heard', ({ detail }) => this.#heardAgain(detail));
    this.#ask.addEventListener('problem', ({ detail }) => this.#complain(detail));
    this.#ask.addEventListener('play-from', ({ detail }) => this.#player.playFrom(detail.time));
  }

  disconnectedCallback() {
    this.#listening?.close();
    this.#untie?.();
  }

  set models(models) {
    this.#again.models = models;
  }

  async open(id) {
    this.#id = id;
    this.#page.href = `/t/${encodeURIComponent(id)}`;
    this.#again.job = id;
    this.#standing.textContent = t('files.loading');
    try {
      const transcript = await getTranscript(id);
      this.#words.load(await allSegments(id));
      if (!this.isConnected) return;
      this.#tell(transcript);
      this.#follow(transcript);
    } catch (error) {
      this.#standing.textContent = '';
      this.#complain(error);
    }
  }

  /** Words as they come; and later, what others put right. */
  #follow(transcript) {
    this.#listening = new Listening(eventsOf(this.#id), { after: transcript.data.last_seq ?? 0 });
    this.#listening.addEventListener('message', async ({ detail: message }) => {
      this.#words.apply(message);
      if (message.type !== 'status' || !OVER.has(message.data.status)) return;
      await getTranscript(this.#id).then((now) => this.#tell(now), (error) => this.#complain(error));
    });
    this.#listening.addEventListener('refused', ({ detail }) => this.#complain(new ApiError(detail.message, { code: detail.code })));
    this.#listening.start();
  }

  /** There is sound to play, and something to ask about, once nothing is written down any more. */
  #tell(transcript) {
    const over = OVER.has(transcript.status);
    const audible = over && (transcript.data.duration ?? 0) > 0 && !transcript.audio_deleted;
    if (!over) this.#standing.textContent = t('files.growing');
    else if (this.#words.empty) this.#standing.textContent = t('transcript.nothing');
    else this.#standing.textContent = audible ? '' : t(transcript.audio_deleted ? 'transcript.soundless' : 'transcript.silent');
    show(this.#standing, Boolean(this.#standing.textContent));
    show(this.#lower, audible);
    this.classList.toggle('audible', audible);
    if (audible && !this.#untie) {
      const heard = heardOf(transcript);
      this.#words.offsets = heard.offsets;
      this.#untie = tie(this.#words, this.#player);
      this.#player.load(this.#id, heard);
    }
    this.#downloads.show(this.#id, audible ? voicesOf(transcript) : [], transcript.data.mix);
    if (over && !this.#words.empty) this.#ask.open(this.#id);
  }

  // -- heard again ------------------------------------------------------------------------------------------------

  #segment(id) {
    return this.#words.segments.find((segment) => segment.segment_id === id);
  }

  #beside(segmentId) {
    const said = h('p', { class: 'again-said muted hint', role: 'status' });
    const button = h('button', {
      type: 'button', class: 'link again', text: t('files.again'),
      onclick: () => {
        const segment = this.#segment(segmentId);
        if (segment) this.#again.ask(segment, { at: beside, from: button });
      },
    });
    button.append(spoken(` ${t('files.again.what')}`));
    const beside = h('div', { class: 'beside' }, button, said);
    return beside;
  }

  /** In place; where nothing was heard, what stood there stays. */
  #heardAgain({ segment, answer, at }) {
    this.#problem.clear();
    const { text, words, revision, model_used: name } = answer;
    const key = text ? 'files.again.done' : 'files.again.nothing';
    at.querySelector('.again-said').textContent = t(key, { name, time: clock(segment.start) });
    if (!text || !revision) return;
    this.#words.apply({ type: 'transcription', data: { ...this.#segment(segment.segment_id), text, words, revision } });
  }

  #complain(error, doing = '') {
    this.#problem.show(fileProblemOf(error, doing));
    this.#problem.scrollIntoView({ block: 'nearest' });
  }

  /** For the story page. */
  set story({ segments, asked }) {
    this.#words.load(segments);
    this.#words.playable = true;
    this.#downloads.show('story');
    this.#page.href = '#';
    this.#problem.show(fileProblemOf(new ApiError('the sound of this job was deleted', { code: 'CONFLICT' }), 'again'));
    this.classList.add('audible');
    show(this.#standing, false);
    show(this.#lower, true);
    this.#ask.story = asked;
  }
}

customElements.define('job-view', JobView);

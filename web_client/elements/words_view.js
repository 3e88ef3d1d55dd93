// The words, as they are said: one line a segment, grey until final; follows the live edge until the reader scrolls.

import { h, icon, ICONS, reducedMotion, show } from '../js/dom.js';
import { Segments } from '../js/segments.js';
import { SpeakerColours } from '../js/speaker_colours.js';
import { t } from '../js/strings.js';
import { Line } from '../js/line.js';

const EDGE_PX = 24; // this near to the end is the live edge
const STALE_MS = 2500; // after a reconnect the server tells every open interim at once; what is not told then is gone
const OVER = new Set(['completed', 'failed']);
const LONG_PAUSE_S = 20; // the time is shown again after this, though the speaker is the same

/** Events: `play-from` (detail: `{time, track}`) when a word or a time is pressed; `who-said` (detail: a segment's id). */
class WordsView extends HTMLElement {
  still = false; // words that are played do not come into sight by themselves

  #segments = new Segments();
  #lines = new Map(); // segment id -> Line
  #list = h('div', { class: 'lines', role: 'list', 'aria-label': t('words') });
  #finals = h('div', { class: 'visually-hidden', role: 'log', 'aria-live': 'polite', 'aria-label': t('words.live') });
  #back = h('button', { class: 'back-to-live', onclick: () => this.follow() }, icon(...ICONS.down), t('words.back'));
  #colours = new SpeakerColours();
  #following = true;
  #live = false;
  #playable = false;
  #lastTop = 0;
  #spoken = []; // the word elements being played: of each who speaks just then
  #offsets = new Map();
  #beside = null;

  connectedCallback() {
    if (!this.hasChildNodes()) this.append(this.#list, show(this.#back, false), this.#finals);
    addEventListener('scroll', this.#onScroll, { passive: true });
    this.#list.addEventListener('click', this.#onClick);
  }

  disconnectedCallback() {
    removeEventListener('scroll', this.#onScroll);
    this.#list.removeEventListener('click', this.#onClick);
  }

  get segments() {
    return this.#segments.all;
  }

  get empty() {
    return this.#segments.all.length === 0;
  }

  /** Live: finals are read out and the view follows the newest line. */
  set live(value) {
    this.#live = value;
    if (value) this.follow();
    else show(this.#back, false);
  }

  /** Playable: words and times can be pressed. */
  set playable(value) {
    this.#playable = value;
    this.classList.toggle('playable', value);
    for (const line of this.#lines.values()) line.playable = value;
  }

  /** Editable: who spoke can be set right. */
  set editable(value) {
    this.classList.toggle('editable', value);
  }

  get offsets() {
    return this.#offsets;
  }

  /** After how many seconds each track begins, by its id: from now on all times are those of the whole. */
  set offsets(value) {
    const before = this.#offsets;
    this.#offsets = value;
    for (const segment of this.#segments.all) {
      const by = (value.get(segment.track) ?? 0) - (before.get(segment.track) ?? 0);
      if (by) this.#lines.get(segment.segment_id).show(Object.assign(segment, moved(segment, by)));
    }
    this.#headings();
  }

  /** Makes what stands beside each line, of its segment's id. To be set before there are any. */
  set beside(make) {
    this.#beside = make;
  }

  clear() {
    this.#segments = new Segments();
    this.#offsets = new Map();
    this.#lines.clear();
    this.#colours.clear();
    this.#list.replaceChildren();
    this.#finals.replaceChildren();
  }

  /** Ids of the finals that are shown. */
  get finals() {
    return this.#segments.all.filter((segment) => segment.is_final).map((segment) => segment.segment_id);
  }

  /** All finals of a stored transcript. `before`: those shown when they were asked for; the others of these were taken back. */
  load(items, before = []) {
    const told = new Set(items.map((data) => data.segment_id));
    this.#drop(before.filter((id) => !told.has(id) && this.#segments.get(id)));
    for (const data of items) this.#take(data);
  }

  /** A message of the listening socket; those that are not about words change nothing. */
  apply({ type, data }) {
    if (type === 'transcription') this.#take(data);
    else if (type === 'reconnected') this.#reconnected();
    else if (type === 'status' && OVER.has(data.status)) this.#drop(this.#segments.open()); // all finals were told
    else if (type === 'diarization') {
      for (const segment of this.#segments.relabel(data)) this.#dress(segment);
    }
  }

  /** The connection is new: open interims that are not told again soon were taken back meanwhile. */
  #reconnected() {
    const open = new Map(this.#segments.open().map((id) => [id, this.#lines.get(id)?.changes]));
    setTimeout(() => {
      const still = new Set(this.#segments.open());
      this.#drop([...open].filter(([id, changes]) => still.has(id) && this.#lines.get(id)?.changes === changes).map(([id]) => id));
    }, STALE_MS);
  }

  #drop(ids) {
    for (const id of ids) {
      this.#segments.drop(id);
      this.#lines.get(id).element.remove();
      this.#lines.delete(id);
    }
    if (ids.length) this.#headings();
  }

  #take(told) {
    const data = moved(told, this.#offsets.get(told.track) ?? 0);
    if (data.is_final) this.#drop(this.#segments.overtakenBy(data));
    const { change, segment, before } = this.#segments.apply(data);
    if (change === 'none') return;
    const id = segment.segment_id;
    if (change === 'removed') {
      this.#lines.get(id).element.remove();
      this.#lines.delete(id);
      this.#headings();
      return;
    }
    if (change === 'added') {
      const line = new Line(id, this.#playable);
      this.#lines.set(id, line);
      if (this.#beside) line.element.append(this.#beside(id));
      this.#list.insertBefore(line.element, before ? this.#lines.get(before.segment_id).element : null);
    }
    this.#lines.get(id).show(segment);
    this.#dress(segment);
    if (segment.is_final && this.#live) this.#readOut(segment);
    if (this.#live && this.#following) this.#toEdge();
  }

  #dress(segment) {
    const line = this.#lines.get(segment.segment_id);
    const name = segment.speaker || '';
    line.speaker(name, this.#colours.of(name, segment.speaker_label));
    this.#headings();
  }

  /** The number of a name's colour, the same all over the page; 0 for no name. `label`: of its voice, where that is known. */
  colourOf(name, label) {
    return this.#colours.of(name, label);
  }

  /** Name and time stand where a turn begins; within a turn the time shows on hover only. */
  #headings() {
    let before = null;
    for (const segment of this.#segments.all) {
      const turn = !before || before.speaker !== segment.speaker || before.track !== segment.track;
      const pause = before && segment.start - before.shown > LONG_PAUSE_S;
      this.#lines.get(segment.segment_id).heading(turn, turn || pause);
      before = { ...segment, shown: turn || pause ? segment.start : before.shown };
    }
  }

  #readOut(segment) {
    this.#finals.append(h('p', { text: segment.speaker ? `${segment.speaker}: ${segment.text}` : segment.text }));
    while (this.#finals.childElementCount > 3) this.#finals.firstElementChild.remove();
  }

  // -- the live edge ----------------------------------------------------------------------------------------------

  follow() {
    this.#following = true;
    show(this.#back, false);
    this.#toEdge();
  }

  #toEdge() {
    const top = document.documentElement.scrollHeight;
    scrollTo({ top, behavior: reducedMotion() ? 'auto' : 'smooth' });
  }

  #onScroll = () => {
    const top = scrollY;
    const left = document.documentElement.scrollHeight - innerHeight - top;
    if (left < EDGE_PX) this.#following = true;
    else if (top < this.#lastTop) this.#following = false; // only a reader scrolls up
    this.#lastTop = top;
    show(this.#back, this.#live && !this.#following);
  };

  // -- playing ----------------------------------------------------------------------------------------------------

  /** What is selected of the words, as a range; null when nothing is. */
  selection() {
    const selection = getSelection();
    if (selection.isCollapsed || !selection.rangeCount) return null;
    const range = selection.getRangeAt(0);
    return this.#list.contains(range.commonAncestorContainer) ? range.cloneRange() : null;
  }

  /** The words in a range: `{id, at}`, of final segments. */
  selected(range) {
    const places = [];
    for (const element of this.#list.children) {
      if (!range.intersectsNode(element) || element.classList.contains('interim')) continue;
      for (const [at, word] of [...element.querySelectorAll('.word')].entries()) {
        if (isWithin(range, word)) places.push({ id: element.dataset.segment, at });
      }
    }
    return places;
  }

  #onClick = (event) => {
    if (event.target.closest('.who-said')) {
      const { segment } = event.target.closest('.line').dataset;
      this.dispatchEvent(new CustomEvent('who-said', { detail: segment }));
      return;
    }
    if (!this.#playable || String(getSelection()).length) return; // selecting to copy is not pressing
    const target = event.target.closest('[data-start]');
    if (!target) return;
    const track = target.closest('[data-track]')?.dataset.track;
    this.dispatchEvent(new CustomEvent('play-from', { detail: { time: Number(target.dataset.start), track } }));
  };

  /** Bring the segment into sight; where it begins, as `{time, track}`, or null when there is none of that id. */
  goTo(segmentId) {
    const segment = this.#segments.get(segmentId);
    if (!segment) return null;
    const { element } = this.#lines.get(segmentId);
    element.scrollIntoView({ block: 'center', behavior: reducedMotion() ? 'auto' : 'smooth' });
    return { time: segment.start, track: segment.track };
  }

  /** Mark the words spoken at `time` on `track` (on all tracks when not given); null unmarks. */
  mark(time, track) {
    const found = time === null ? [] : this.#wordsAt(time, track);
    if (found.length === this.#spoken.length && found.every((word, i) => word === this.#spoken[i])) return;
    for (const word of this.#spoken) {
      word.classList.remove('spoken');
      word.closest('.line')?.classList.remove('current');
    }
    this.#spoken = found;
    for (const word of found) {
      word.classList.add('spoken');
      word.closest('.line').classList.add('current');
    }
    if (found.length) this.#keepInSight(found.at(-1)); // of who began last
  }

  /** One of each track that has words then: of two segments of one track that touch, the first. */
  #wordsAt(time, track) {
    const found = new Map();
    for (const segment of this.#segments.all) {
      if ((track && segment.track !== track) || found.has(segment.track)) continue;
      if (time >= segment.start && time < segment.end) found.set(segment.track, this.#lines.get(segment.segment_id).wordAt(time));
    }
    return [...found.values()].filter((word) => word !== null);
  }

  #keepInSight(element) {
    if (this.still) return;
    const box = element.getBoundingClientRect();
    if (box.top > 90 && box.bottom < innerHeight - 200) return;
    element.scrollIntoView({ block: 'center', behavior: reducedMotion() ? 'auto' : 'smooth' });
  }

  /** Where the segment `step` after (or before, when negative) the one at `time` begins; null beyond the ends. */
  neighbour(time, step) {
    const all = this.#segments.all.filter((segment) => segment.is_final);
    const at = all.findLastIndex((segment) => segment.start <= time + 0.05);
    return all[Math.max(0, at + step)]?.start ?? null;
  }
}

/** Whether some of the word's letters lie in the range. */
function isWithin(range, word) {
  const letters = document.createRange();
  letters.selectNodeContents(word);
  const begins = range.compareBoundaryPoints(Range.START_TO_END, letters) > 0; // the range ends behind its beginning
  return begins && range.compareBoundaryPoints(Range.END_TO_START, letters) < 0;
}

/** A segment so many seconds later, words and all. */
function moved(segment, by) {
  if (!by) return segment;
  const later = ({ start, end }) => ({ start: start + by, end: end + by });
  const words = segment.words?.map((word) => ({ ...word, ...later(word) }));
  return { ...segment, ...later(segment), words, overlap: segment.overlap?.map(([from, to]) => [from + by, to + by]) };
}

customElements.define('words-view', WordsView);

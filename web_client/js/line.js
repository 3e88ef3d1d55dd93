// One segment on the page: its name and time at the left, its words at the right.

import { h, icon, ICONS } from './dom.js';
import { clock } from './format.js';
import { t } from './strings.js';

export class Line {
  element;
  changes = 0; // how often it was shown; a reader of interims can tell whether one is fresh

  #name = h('span', { class: 'name' });
  #time = h('button', { class: 'time', type: 'button', disabled: true });
  #who = h('button', { class: 'link who-said', type: 'button' }, icon(...ICONS.who)); // shown where who spoke can be set right
  #words = h('p', { class: 'text', dir: 'auto' });
  #shown = []; // the words shown now, as strings

  constructor(id, playable) {
    this.element = h('div', { class: 'line', role: 'listitem', 'data-segment': id },
      h('div', { class: 'who' }, this.#name, h('div', { class: 'when' }, this.#who, this.#time)), this.#words);
    this.playable = playable;
  }

  set playable(value) {
    this.#time.disabled = !value;
  }

  show(segment) {
    this.changes += 1;
    this.element.classList.toggle('interim', !segment.is_final);
    this.element.dataset.track = segment.track ?? '';
    if (segment.language) this.#words.lang = segment.language;
    this.#time.textContent = clock(segment.start);
    this.#time.dataset.start = segment.start;
    this.#time.setAttribute('aria-label', t('play.from', { time: clock(segment.start) }));
    this.#who.setAttribute('aria-label', t('words.who', { time: clock(segment.start) }));
    this.#show(tokensOf(segment), segment.is_final);
    this.#markOverlap(segment.overlap ?? []);
  }

  /** Keep the words that stay; only what changed is put in anew, and fades in once. */
  #show(tokens, final) {
    const texts = tokens.map((token) => token.text);
    let same = 0;
    while (same < texts.length && texts[same] === this.#shown[same]) same += 1;
    const spans = this.#words.children;
    while (spans.length > same) {
      spans[spans.length - 1].previousSibling?.nodeType === Node.TEXT_NODE && spans[spans.length - 1].previousSibling.remove();
      spans[spans.length - 1].remove();
    }
    tokens.forEach((token, i) => {
      if (i >= same) {
        if (i > 0) this.#words.append(' ');
        this.#words.append(h('span', { class: 'word new', text: token.text }));
      }
      time(spans[i], token);
    });
    this.#shown = texts;
    this.#hold(final);
  }

  /** Words that somebody else speaks into. `overlap`: from and to, in seconds. */
  #markOverlap(overlap) {
    for (const span of this.#words.children) {
      const [start, end] = [Number(span.dataset.start), Number(span.dataset.end)];
      const both = overlap.some(([from, to]) => from < end && start < to);
      span.classList.toggle('overlap', both);
      if (both) span.title = t('words.overlap', { time: clock(start) });
    }
  }

  /** An interim that becomes shorter leaves its height, so that nothing below jumps; a final takes what it needs. */
  #hold(final) {
    if (final) this.#words.style.removeProperty('min-height');
    else if (this.#words.offsetHeight) this.#words.style.setProperty('min-height', `${this.#words.offsetHeight}px`);
  }

  speaker(name, colour) {
    this.#name.textContent = name;
    this.element.dataset.speaker = colour;
  }

  heading(turn, timed) {
    this.element.classList.toggle('turn', Boolean(turn));
    this.element.classList.toggle('timed', Boolean(timed));
  }

  /** The element of the word spoken at `seconds`: the last one that has begun. */
  wordAt(seconds) {
    const spans = [...this.#words.children];
    return spans.findLast((span) => Number(span.dataset.start) <= seconds) ?? spans[0] ?? null;
  }
}

/** Words with times; a segment that has none is split at spaces, all beginning where the segment does. */
export function tokensOf(segment) {
  if (segment.words?.length) return segment.words;
  return segment.text.split(/\s+/).filter(Boolean).map((text) => ({ text, start: segment.start }));
}

function time(span, { start, end }) {
  if (!Number.isFinite(start)) return;
  span.dataset.start = start;
  span.dataset.end = end ?? start;
  span.title = clock(start);
}

// The panel of who spoke how much on the page of a transcript. Where one speaks, there is nothing to compare.

import '../elements/talk_view.js';
import { foldPanel } from '../elements/fold_panel.js';
import { figuresOf } from './api.js';
import { show } from './dom.js';
import { nowAndThen } from './now_and_then.js';
import { goThere } from './reading.js';
import { t } from './strings.js';
import { talkOf } from './talk.js';

const DRAWN_EVERY_MS = 400;
const COUNTED_EVERY_MS = 5000; // by the server, while somebody looks at the figures

/** `words` and `player` are those of the page; `length()` of the sound in seconds; `audible()` whether it can be heard. */
export function talkPanel(id, { words, player, length, audible }) {
  const view = document.createElement('talk-view');
  const panel = foldPanel(t('talk.title'), view);

  function draw() {
    const speakers = talkOf(words.segments);
    show(panel.element, speakers.length > 1);
    if (panel.element.hidden || !panel.element.open) return;
    const endS = speakers.reduce((end, { spoke }) => Math.max(end, spoke.at(-1)[1]), length());
    view.show({ speakers: speakers.map((one) => ({ ...one, colour: words.colourOf(one.name, one.label) })), endS, audible: audible() });
    count();
  }

  const countSoon = nowAndThen(async () => {
    if (view.wantsFigures) view.figures = await figuresOf(id).catch(() => null);
  }, COUNTED_EVERY_MS);
  const count = () => view.wantsFigures && countSoon();

  view.addEventListener('figures', async () => (view.figures = await figuresOf(id).catch(() => null)));
  view.addEventListener('go', ({ detail }) => goThere(words, audible() ? player : null, detail));
  player.addEventListener('position', ({ detail }) => (view.time = detail.time));
  // Whoever looks at the picture is not taken away from it by the words that are heard.
  new IntersectionObserver(([{ isIntersecting }]) => isIntersecting || (words.still = false)).observe(view);
  panel.element.addEventListener('toggle', draw);
  panel.element.open = true;
  show(panel.element, false);
  return { element: panel.element, draw: nowAndThen(draw, DRAWN_EVERY_MS) };
}

// The picture of who spoke when: a lane for each, with when they were there, spoke, showed and wrote something.

import { clock } from './format.js';
import { joined, stepOf } from './stretches.js';

export const AXIS_PX = 24;
export const WIDE = { row: 44, top: 8, high: 28 }; // as high as a finger; `top`: of the lane in its row
export const NARROW = { row: 68, top: 46, high: 16 }; // names stand above their lanes, not beside them
const LEAST_PX = 2; // a single word is still seen
const DOT_PX = 4;
const MARK_EVERY_PX = 90;
const SVG = 'http://www.w3.org/2000/svg';

export function shape(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

const box = (x, y, width, height) => `M${x.toFixed(1)} ${y}h${width.toFixed(1)}v${height}h${(-width).toFixed(1)}z`;

const dot = (x, y) => `M${(x - DOT_PX).toFixed(1)} ${y}a${DOT_PX} ${DOT_PX} 0 1 0 ${2 * DOT_PX} 0a${DOT_PX} ${DOT_PX} 0 1 0 ${-2 * DOT_PX} 0z`;

/** Bars as one path. Those that would touch are one, so that a meeting of hours is drawn as fast as one of minutes. */
function bars(stretches, kind, { y, high, perS }) {
  const leastS = LEAST_PX / perS;
  const drawn = joined(stretches, leastS).map(([from, to]) => box(from * perS, y, Math.max(to - from, leastS) * perS, high));
  return shape('path', { class: kind, d: drawn.join('') });
}

/** Times, from 0 to `endS`: `[{x, text, anchor}]`. */
export function marksOf(endS, width) {
  const step = stepOf(endS, Math.max(1, Math.floor(width / MARK_EVERY_PX)));
  return Array.from({ length: Math.floor(endS / step) + 1 }, (_, number) => {
    const x = (number * step * width) / endS;
    return { x, text: clock(number * step), anchor: number === 0 ? 'start' : width - x < 24 ? 'end' : 'middle' };
  });
}

export function drawAxis(svg, endS, width) {
  svg.replaceChildren(...marksOf(endS, width).map(({ x, text, anchor }) => shape('text', { x, y: AXIS_PX - 7, 'text-anchor': anchor }, text)));
}

/** `people`: `[{id, name, colour, there, shown, spoke}]`, of which the last three are stretches; `wrote`: by their ids, when they did. */
export function drawLanes(svg, people, wrote, { endS, width, row, top, high }) {
  const perS = width / endS;
  const ticks = marksOf(endS, width).map(({ x }) => shape('line', { class: 'tick', x1: x, x2: x, y1: 0, y2: people.length * row }));
  const lanes = people.map(({ id, name, colour, there, shown, spoke }, number) => {
    const lane = shape('g', { class: 'lane', 'data-speaker': colour, 'data-lane': id });
    const y = number * row + top;
    const inner = Math.round(high / 5);
    const at = { perS, y, high };
    const dots = joined((wrote.get(id) ?? []).map((start) => [start, start]), (2 * DOT_PX) / perS);
    lane.append(
      shape('title', {}, name),
      bars(there, 'there', at),
      bars(spoke, 'spoke', { ...at, y: y + inner, high: high - 2 * inner }),
      bars(shown, 'shown', at),
      shape('path', { class: 'wrote', d: dots.map(([start]) => dot(start * perS, y)).join('') }));
    return lane;
  });
  svg.replaceChildren(...ticks, ...lanes);
}

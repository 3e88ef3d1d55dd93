// Draws one worker's minute on a canvas: a lane for how busy it was and one for each kind of step.
// Pure of the page around it: sizes and colours come in, marks go out.

import { busyBySecond, fillOf, KINDS } from './loop_minute.js';

export const LANES = ['busy', ...KINDS];
const LEAST_BAR = 2; // a step of 5 ms is still seen
const AXIS = 22;

/** Height of the whole drawing for lanes and gaps so high, in CSS pixels. */
export const heightOf = ({ lane, gap }) => LANES.length * (lane + gap) + AXIS;

/** Lower edge of lane `i`; its gap is above it. */
export const floorOf = (i, { lane, gap }) => (i + 1) * (lane + gap);

/** The lane at height `y`. */
export const laneAt = (y, { lane, gap }) => Math.min(LANES.length - 1, Math.max(0, Math.floor(y / (lane + gap))));

/**
 * `view`: `{width, lane, gap, nowMs, windowMs, colours, font, selected}`; `colours` has the names of `LANES` and `line`, `muted`, `ink`,
 * `bad`, `live`, `warn`. Returns the bars as `{step, x, y, width, height}`, to be found again under a finger.
 */
export function draw(context, steps, notes, view) {
  context.clearRect(0, 0, view.width, heightOf(view));
  drawAxis(context, view);
  drawBusy(context, steps, view);
  const bars = steps.map((step) => barOf(step, view)).filter((bar) => bar.y >= 0);
  for (const bar of bars) drawWait(context, bar, view);
  for (const bar of bars) {
    context.fillStyle = view.colours[bar.step.kind];
    context.fillRect(bar.x, bar.y, bar.width, bar.height);
  }
  for (const note of notes) drawNote(context, note, view);
  const selected = bars.find((bar) => bar.step.number === view.selected);
  if (selected) drawSelected(context, selected, view);
  return bars;
}

const xOf = (ms, view) => view.width * (1 - (view.nowMs - ms) / view.windowMs);

function barOf(step, view) {
  const i = LANES.indexOf(step.kind);
  const right = xOf(step.endMs, view);
  const width = Math.max(LEAST_BAR, (view.width * step.runMs) / view.windowMs);
  const height = Math.max(3, fillOf(step) * view.lane);
  return { step, x: right - width, y: i < 0 ? -1 : floorOf(i, view) - height, width, height };
}

/** How long it had been wanted: a thin line that leads up to the bar. */
function drawWait(context, { step, x }, view) {
  const from = Math.max(0, x - (view.width * step.waitMs) / view.windowMs);
  if (x - from < 1) return;
  context.globalAlpha = 0.55;
  context.fillStyle = view.colours[step.kind];
  context.fillRect(from, floorOf(LANES.indexOf(step.kind), view) - 2, x - from, 2);
  context.globalAlpha = 1;
}

function drawAxis(context, view) {
  const bottom = heightOf(view) - AXIS;
  context.fillStyle = view.colours.line;
  LANES.forEach((_, i) => context.fillRect(0, floorOf(i, view), view.width, 1));
  context.font = view.font;
  context.textBaseline = 'bottom';
  const every = view.width < 480 ? 20 : 10;
  for (let ago = 0; ago <= view.windowMs / 1000; ago += every) {
    const x = Math.min(view.width - 1, xOf(view.nowMs - ago * 1000, view));
    context.fillStyle = view.colours.line;
    context.fillRect(x, view.gap, 1, bottom - view.gap + 4);
    context.fillStyle = view.colours.muted;
    context.textAlign = ago === 0 ? 'right' : x < 20 ? 'left' : 'center';
    context.fillText(ago === 0 ? view.nowText : view.agoText(ago), x, bottom + AXIS - 1);
  }
}

function drawBusy(context, steps, view) {
  const shares = busyBySecond(steps, view.nowMs, view.windowMs);
  const each = view.width / shares.length;
  const floor = floorOf(0, view);
  context.fillStyle = view.colours.busy;
  shares.forEach((share, i) => {
    const height = share * view.lane;
    if (share > 0) context.fillRect(i * each, floor - height, Math.max(1, each - 1), height);
  });
}

/** A worker that was lost or is back: a line through all lanes. A guard that struck: a mark at the upper edge. */
function drawNote(context, note, view) {
  const x = xOf(note.atMs, view);
  if (x < 0) return;
  const bottom = heightOf(view) - AXIS;
  if (note.what === 'guard') {
    context.fillStyle = view.colours.warn;
    context.beginPath();
    context.moveTo(x - 5, 0);
    context.lineTo(x + 5, 0);
    context.lineTo(x, 8);
    context.fill();
    return;
  }
  context.fillStyle = view.colours[note.what === 'lost' ? 'bad' : 'live'];
  for (let y = 0; y < bottom; y += note.what === 'lost' ? bottom : 8) {
    context.fillRect(x - 1, y, 2, note.what === 'lost' ? bottom : 4);
  }
}

function drawSelected(context, { x, y, width, height }, view) {
  context.strokeStyle = view.colours.ink;
  context.lineWidth = 2;
  context.strokeRect(x - 2, y - 2, width + 4, height + 4);
}

// One worker's last minute: a lane for each kind of step, a bar for each step. Point, tap or use the arrow keys to read one.

import { h } from '../js/dom.js';
import { timeOfDay } from '../js/format.js';
import { draw, floorOf, heightOf, laneAt, LANES } from '../js/loop_drawing.js';
import { fillOf, KINDS } from '../js/loop_minute.js';
import { t } from '../js/strings.js';

const WIDE = { lane: 30, gap: 8 };
const NARROW = { lane: 30, gap: 22 }; // names stand above their lanes, not beside them
const narrow = matchMedia('(max-width: 40rem)'); // as in loop.css
const REACH = 14; // pixels beside a bar that still mean it
const COLOURS = {
  busy: '--line-strong', final: '--accent', interim: '--speaker-3', file: '--speaker-2', guess: '--muted',
  line: '--line', muted: '--muted', ink: '--ink', bad: '--bad', live: '--live', warn: '--warn',
};

export const ms = (value) => t('loop.ms', { value: Math.round(value) });
export const percent = (share) => t('loop.percent', { value: Math.round(share * 100) });
export const stepRows = (step) => t('loop.rows', { size: step.size, most: step.most });

class LoopTimeline extends HTMLElement {
  #canvas = h('canvas', { class: 'loop-canvas', role: 'img', tabindex: 0 });
  #labels = h('div', { class: 'loop-lanes', 'aria-hidden': 'true' });
  #reading = h('p', { class: 'loop-reading', role: 'status' });
  #minute = { steps: [], notes: [], nowMs: 0, windowMs: 60_000 };
  #size = WIDE;
  #bars = [];
  #selected = 0; // a step's number

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.#labels.append(...LANES.map((lane) => h('span', { class: 'loop-lane', text: t(`loop.kind.${lane}`) })));
    this.append(h('div', { class: 'loop-drawing' }, this.#labels, this.#canvas), this.#reading);
    this.#canvas.addEventListener('pointermove', (event) => this.#point(event));
    this.#canvas.addEventListener('pointerdown', (event) => this.#point(event));
    this.#canvas.addEventListener('keydown', (event) => this.#key(event));
    this.#lay();
    narrow.addEventListener('change', () => this.#lay());
    new ResizeObserver(() => this.#draw()).observe(this.#canvas);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw());
    this.#read();
  }

  /** `{steps, notes, nowMs, windowMs}` of one worker; `name` is what it is called. */
  show(minute, name) {
    this.#minute = minute;
    for (const kind of KINDS) this.dataset[kind] = minute.steps.filter((step) => step.kind === kind).length;
    const counts = KINDS.map((kind) => `${t(`loop.kind.${kind}`)} ${this.dataset[kind]}`).join(', ');
    this.#canvas.setAttribute('aria-label', t('loop.drawing', { name, counts }));
    this.#draw();
    if (this.#selected && !this.#step()) this.#select(0);
  }

  /** Place the lanes' names and make room for the lanes. */
  #lay() {
    this.#size = narrow.matches ? NARROW : WIDE;
    const { lane, gap } = this.#size;
    [...this.#labels.children].forEach((label, i) => {
      label.style.top = `${floorOf(i, this.#size) - lane - (narrow.matches ? gap : 0)}px`;
      label.style.height = `${narrow.matches ? gap : lane}px`;
    });
    this.#canvas.style.height = `${heightOf(this.#size)}px`;
    this.#draw();
  }

  #draw() {
    const width = this.#canvas.clientWidth;
    if (!width) return;
    const scale = devicePixelRatio || 1;
    const height = heightOf(this.#size);
    const [pixels, lines] = [Math.round(width * scale), Math.round(height * scale)];
    if (this.#canvas.width !== pixels) this.#canvas.width = pixels;
    if (this.#canvas.height !== lines) this.#canvas.height = lines;
    const style = getComputedStyle(this);
    const colours = Object.fromEntries(Object.entries(COLOURS).map(([name, from]) => [name, style.getPropertyValue(from)]));
    const context = this.#canvas.getContext('2d');
    context.setTransform(scale, 0, 0, scale, 0, 0);
    const { steps, notes, nowMs, windowMs } = this.#minute;
    this.#bars = draw(context, steps, notes, {
      width, ...this.#size, nowMs, windowMs, colours, selected: this.#selected,
      font: `12px ${style.fontFamily}`, nowText: t('loop.now'), agoText: (value) => t('loop.s', { value }),
    });
  }

  #point(event) {
    const x = event.offsetX;
    const lane = laneAt(event.offsetY, this.#size);
    const away = (bar) => Math.max(0, bar.x - x, x - bar.x - bar.width);
    const near = this.#bars.filter((bar) => away(bar) <= REACH);
    const own = near.filter((bar) => LANES.indexOf(bar.step.kind) === lane);
    const [nearest] = (own.length ? own : near).sort((a, b) => away(a) - away(b));
    if (nearest) this.#select(nearest.step.number);
  }

  #key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const { steps } = this.#minute;
    if (!by || !steps.length) return;
    event.preventDefault();
    const at = steps.findIndex((step) => step.number === this.#selected);
    this.#select(steps[at < 0 ? steps.length - 1 : Math.min(steps.length - 1, Math.max(0, at + by))].number);
  }

  #step() {
    return this.#minute.steps.find((step) => step.number === this.#selected);
  }

  #select(number) {
    if (number === this.#selected) return;
    this.#selected = number;
    this.#draw();
    this.#read();
  }

  #read() {
    const step = this.#step();
    if (!step) {
      this.#reading.replaceChildren(t('loop.hint'));
      return;
    }
    this.#reading.replaceChildren(
      h('strong', { class: step.kind, text: t(`loop.kind.${step.kind}`) }),
      ` ${[timeOfDay(step.endMs), `${stepRows(step)} (${percent(fillOf(step))})`, t('loop.waited', { time: ms(step.waitMs) }), t('loop.took', { time: ms(step.runMs) })].join(' · ')}`,
    );
  }
}

customElements.define('loop-timeline', LoopTimeline);

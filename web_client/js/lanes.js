// Who spoke when, as a picture: names, a lane for each beside them, and where the player is. Needs lanes.css.

import { h, show } from './dom.js';
import { showKeyed } from './keyed.js';
import { AXIS_PX, drawAxis, drawLanes, NARROW, shape, WIDE } from './lanes_drawing.js';

const narrow = matchMedia('(max-width: 40rem)'); // as in lanes.css
const NOTHING = new Map();

export class Lanes {
  #axis = shape('svg', { class: 'axis', height: AXIS_PX, 'aria-hidden': 'true' });
  #names = h('ul', { class: 'lane-names' });
  #lanes = shape('svg', { role: 'img' });
  #cursor = h('div', { class: 'cursor', hidden: true });
  #box = h('div', { class: 'timeline' }, this.#lanes, this.#cursor);
  #row;
  #describe;
  #shown = null;
  #endS = 1;
  #time = null;
  element;

  /**
   * `label`: of all of it; `describe(endS)`: of the picture; `row`: of the names, as `showKeyed` wants it but for `keyOf`; `go(time)`: it was
   * pressed there.
   */
  constructor({ label, describe, row, go }) {
    this.#row = { ...row, keyOf: ({ id }) => id };
    this.#describe = describe;
    this.element = h('div', { class: 'lanes', role: 'group', 'aria-label': label }, this.#axis, this.#names, this.#box);
    this.#box.addEventListener('click', (event) => {
      const { left, width } = this.#box.getBoundingClientRect();
      go(Math.max(0, Math.min(1, (event.clientX - left) / width)) * this.#endS);
    });
    narrow.addEventListener('change', () => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(this.#box);
  }

  get rows() {
    return [...this.#names.children];
  }

  /** `people` and `wrote`: as for `drawLanes`, with whatever `row` wants of them; `audible`: there is sound. */
  show({ people, wrote = NOTHING, endS, audible }) {
    this.#shown = { people, wrote, audible };
    this.#endS = Math.max(endS, 1);
    this.#draw();
  }

  /** Where the player is. */
  set time(time) {
    this.#time = time;
    this.#place();
  }

  #place() {
    const visible = Boolean(this.#shown?.audible) && this.#time !== null && this.#time <= this.#endS;
    show(this.#cursor, visible);
    if (visible) this.#cursor.style.insetInlineStart = `${(this.#time / this.#endS) * 100}%`;
  }

  #draw() {
    if (!this.#shown) return;
    const { people, wrote, audible } = this.#shown;
    this.element.classList.toggle('soundless', !audible);
    showKeyed(this.#names, people, this.#row);
    const width = this.#box.clientWidth;
    if (width) this.#picture(people, wrote, width);
    this.#place();
    // What scrolls is reached with the keyboard, though nothing in it may be.
    if (this.element.scrollHeight > this.element.clientHeight) this.element.tabIndex = 0;
    else this.element.removeAttribute('tabindex');
  }

  #picture(people, wrote, width) {
    const size = narrow.matches ? NARROW : WIDE;
    this.#axis.setAttribute('width', width);
    this.#lanes.setAttribute('width', width);
    this.#lanes.setAttribute('height', people.length * size.row);
    this.#lanes.setAttribute('aria-label', this.#describe(this.#endS));
    drawAxis(this.#axis, this.#endS, width);
    drawLanes(this.#lanes, people, wrote, { endS: this.#endS, width, ...size });
  }
}

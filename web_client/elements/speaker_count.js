// How many speak, where somebody knows it: exactly so many, or no more. Worth much to who tells voices apart.

import '../js/speakers_strings.js';
import { h } from '../js/dom.js';
import { t } from '../js/strings.js';

const MOST = 20; // as many as the server takes
let count = 0;

class SpeakerCount extends HTMLElement {
  #select = h('select', {},
    h('option', { value: '', text: t('count.unknown') }),
    numbers('count.exactly', '=', 1),
    numbers('count.most', '<', 2));

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.#select.id = `speaker-count-${(count += 1)}`;
    this.append(h('label', { for: this.#select.id, text: t('count.label') }), this.#select);
  }

  set disabled(value) {
    this.#select.disabled = value;
  }

  /** What is known, as the server is told it: `{speakers_expected}`, `{max_speakers}` or nothing. */
  get known() {
    const [kind, number] = [this.#select.value.slice(0, 1), Number(this.#select.value.slice(1))];
    if (!kind) return {};
    return kind === '=' ? { speakers_expected: number } : { max_speakers: number };
  }

  set known({ speakers_expected: expected, max_speakers: most }) {
    this.#select.value = expected ? `=${expected}` : most >= 2 ? `<${most}` : '';
  }
}

function numbers(key, sign, least) {
  const options = [];
  for (let number = least; number <= MOST; number += 1) options.push(h('option', { value: `${sign}${number}`, text: t(key, { count: number }) }));
  return h('optgroup', { label: t(`${key}.group`) }, ...options);
}

customElements.define('speaker-count', SpeakerCount);

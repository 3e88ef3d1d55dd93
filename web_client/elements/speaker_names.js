// Who speaks in a transcript: each name can be changed, and two that are one person can be made one.

import { h } from '../js/dom.js';
import { t } from '../js/strings.js';

const NAME_MAX = 200;

/** Events: `rename` (detail: `{label, name}`) and `merge` (detail: `{from, to, name, into}`). */
class SpeakerNames extends HTMLElement {
  #list = h('ul', { class: 'speakers' });
  #shown = '';

  connectedCallback() {
    if (!this.hasChildNodes()) this.append(this.#list, h('p', { class: 'muted hint', text: t('speakers.hint') }));
  }

  /** `speakers`: `[{label, name, colour, words, recognised}]`; `fixed`: nothing can be changed. */
  show(speakers, { fixed = false } = {}) {
    const shown = JSON.stringify([speakers, fixed]);
    if (shown === this.#shown || this.#list.contains(document.activeElement)) return; // not under somebody's hands
    this.#shown = shown;
    this.#list.replaceChildren(...speakers.map((speaker) => this.#row(speaker, speakers, fixed)));
    this.lastElementChild.hidden = fixed;
  }

  #row({ label, name, colour, words, recognised }, all, fixed) {
    const field = h('input', {
      type: 'text', value: name, maxlength: NAME_MAX, dir: 'auto', readonly: fixed, 'aria-label': t('speakers.name', { label }),
      onchange: () => this.#rename(field, label, name),
      onkeydown: (event) => event.key === 'Enter' && field.blur(),
    });
    const others = all.filter((other) => other.label !== label);
    const select = h('select', { 'aria-label': t('speakers.merge.what', { name }), onchange: () => this.#merge(select, label, name, others) },
      h('option', { value: '', text: t('speakers.merge') }),
      ...others.map((other) => h('option', { value: other.label, text: other.name })));
    return h('li', { class: 'speaker', 'data-speaker': colour },
      h('span', { class: 'dot', 'aria-hidden': 'true' }),
      field,
      h('span', { class: 'muted speaker-words', text: t('library.words', { count: words }) }),
      others.length && !fixed ? select : null,
      recognised ? h('span', { class: 'muted speaker-recognised', text: t('speakers.recognised') }) : null);
  }

  #rename(field, label, before) {
    const name = field.value.trim();
    if (name === before) field.value = before;
    else this.#tell('rename', { label, name });
  }

  #merge(select, from, name, others) {
    const to = select.value;
    select.value = '';
    const into = others.find((other) => other.label === to)?.name;
    if (to && confirm(t('speakers.merge.sure', { name, into }))) this.#tell('merge', { from, to, name, into });
  }

  #tell(type, detail) {
    document.activeElement?.blur();
    this.#shown = ''; // whatever comes of it is shown anew
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

customElements.define('speaker-names', SpeakerNames);

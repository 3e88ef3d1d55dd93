// Who is in the room: a name, its colour, and in words whether they speak, are muted, or are still connecting.

import { h, icon, ICONS } from '../js/dom.js';
import { t } from '../js/strings.js';

/** The first letters of the first and the last word, whole characters of whatever script. */
function initials(name) {
  const words = name.split(/\s+/).filter(Boolean);
  const ends = words.length > 1 ? [words[0], words.at(-1)] : words;
  return ends.map((word) => [...word][0]).join('').toUpperCase();
}

class PeopleList extends HTMLElement {
  #rows = new Map(); // id -> {element, state}
  #list = h('ul', { class: 'people', 'aria-label': t('room.people') });

  connectedCallback() {
    if (!this.hasChildNodes()) this.append(this.#list);
  }

  /** `people`: `[{id, name, colour, me, state}]`, state is `here | speaking | muted | listening | connecting`. */
  show(people) {
    const gone = new Set(this.#rows.keys());
    for (const person of people) {
      gone.delete(person.id);
      if (!this.#rows.has(person.id)) this.#rows.set(person.id, this.#row(person));
      this.#dress(this.#rows.get(person.id), person);
    }
    for (const id of gone) {
      this.#rows.get(id).element.remove();
      this.#rows.delete(id);
    }
  }

  #row({ name }) {
    const row = {
      badge: h('span', { class: 'badge', 'aria-hidden': 'true', text: initials(name) }),
      name: h('span', { class: 'person-name', dir: 'auto', title: name }),
      state: h('span', { class: 'person-state' }),
      shown: '',
    };
    row.element = h('li', { class: 'person' }, row.badge, h('span', { class: 'person-text' }, row.name, row.state));
    this.#list.append(row.element);
    return row;
  }

  #dress(row, { name, colour, me, state }) {
    row.element.dataset.speaker = colour;
    const shown = `${name} ${me} ${state}`;
    if (row.shown === shown) return;
    row.shown = shown;
    row.element.dataset.state = state;
    row.name.textContent = name;
    const words = me ? `${t('person.me')} · ${t(`person.${state}`)}` : t(`person.${state}`);
    row.state.replaceChildren(...(state === 'muted' ? [icon(...ICONS.muted)] : []), words);
  }
}

customElements.define('people-list', PeopleList);

// Asks whose some words are: from which word to which, and who said them, of those who speak or somebody new.

import '../js/speakers_strings.js';
import { h, show } from '../js/dom.js';
import { clock } from '../js/format.js';
import { t } from '../js/strings.js';
import { OFFERED_EACH_WAY, quoteOf } from '../js/word_stretch.js';

const NEW = 'new';
const NAME_MAX = 200;

class WhoSaid extends HTMLElement {
  /**
   * Resolves to `{from, to, who, name}`, or null when it was closed. `stretch`: as of `stretchOf`; `people`: `[{value, name}]`;
   * `likely`: which of them it probably is. `who` is a value of these, or '' for somebody new, of that `name` or of none.
   */
  ask({ words, from, to }, people, likely) {
    const quote = h('p', { class: 'who-quote', dir: 'auto' });
    const tell = () => (quote.textContent = `“${quoteOf(words, Number(first.value), Number(last.value))}”`);
    const first = ends('who-from', words, from, () => {
      if (Number(last.value) < Number(first.value)) last.value = first.value;
      tell();
    });
    const last = ends('who-to', words, to, () => {
      if (Number(first.value) > Number(last.value)) first.value = last.value;
      tell();
    });
    const name = h('input', { type: 'text', id: 'who-name', maxlength: NAME_MAX, dir: 'auto', autocomplete: 'off' });
    const named = h('div', { class: 'field' }, h('label', { for: 'who-name', text: t('give.name') }), name);
    const who = h('select', { id: 'who-who', onchange: () => show(named, who.value === NEW) },
      ...people.map((one) => h('option', { value: one.value, text: one.name })),
      h('option', { value: NEW, text: t('give.new') }));
    who.value = likely ?? NEW;
    show(named, who.value === NEW);
    tell();
    const dialog = h('dialog', { class: 'token-dialog who-dialog', 'aria-labelledby': 'who-title' },
      h('form', { method: 'dialog' },
        h('h2', { id: 'who-title', text: t('give.title') }),
        quote,
        h('div', { class: 'who-ends' },
          h('div', { class: 'field' }, h('label', { for: 'who-from', text: t('give.from') }), first),
          h('div', { class: 'field' }, h('label', { for: 'who-to', text: t('give.to') }), last)),
        h('div', { class: 'field' }, h('label', { for: 'who-who', text: t('give.who') }), who),
        named,
        h('div', { class: 'row' },
          h('button', { class: 'primary', value: 'give', text: t('give.do') }),
          h('button', { value: '', text: t('cancel') }))));
    this.replaceChildren(dialog);
    dialog.showModal();
    who.focus();
    return new Promise((resolve) => {
      dialog.addEventListener('close', () => {
        dialog.remove();
        if (dialog.returnValue !== 'give') return resolve(null);
        const isNew = who.value === NEW;
        return resolve({
          from: Number(first.value), to: Number(last.value), who: isNew ? '' : who.value, name: isNew ? name.value.trim() : '',
        });
      });
    });
  }
}

/** A choice of a word near that of the number `at`. */
function ends(id, words, at, onchange) {
  const begin = Math.max(0, at - OFFERED_EACH_WAY);
  const options = words.slice(begin, at + OFFERED_EACH_WAY).map((word, i) =>
    h('option', { value: begin + i, text: `${clock(word.start)} ${word.text}`, selected: begin + i === at }));
  const select = h('select', { id, onchange }, ...options);
  select.value = at;
  return select;
}

customElements.define('who-said', WhoSaid);

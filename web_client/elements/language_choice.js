// A choice of the language that is spoken, in the reader's words.

import { h } from '../js/dom.js';
import { language as readers, t } from '../js/strings.js';

const OFFERED = 'ar bg ca cs da de el en es et fa fi fr he hi hr hu id it ja ko lt lv nb nl pl pt ro ru sk sl sr sv tr uk vi zh'.split(' ');

const names = new Intl.DisplayNames(readers, { type: 'language', fallback: 'code' });
const order = new Intl.Collator(readers);

function nameOf(code) {
  try {
    return names.of(code);
  } catch {
    return code; // not one that this browser can name
  }
}

/**
 * A select with `id`; the one that is chosen is offered whatever it is. `choose(code)` sets it. `first` are offered before
 * all languages, as `[value, text]`: by default that it is found out.
 */
export function languageChoice(id, chosen, first = [['auto', t('projects.language.auto')]]) {
  const select = h('select', { id });
  const choose = (code) => {
    const codes = [...new Set([...OFFERED, code])].filter((each) => !first.some(([value]) => value === each));
    const named = codes.map((each) => [each, nameOf(each)]).sort(([, a], [, b]) => order.compare(a, b));
    select.replaceChildren(
      ...[...first, ...named].map(([value, text]) => h('option', { value, text })));
    select.value = code;
  };
  choose(chosen);
  return { select, choose };
}

// The page's own words, in the reader's language. One file per language in i18n/; English where nothing fits.

export const LANGUAGES = ['en', 'de', 'fr', 'es'];

/** The first of `wanted` (BCP 47 tags) that we have, else English. */
export function choose(wanted, have = LANGUAGES) {
  for (const tag of wanted) {
    const base = String(tag).toLowerCase().split('-')[0];
    if (have.includes(base)) return base;
  }
  return 'en';
}

const asked = new URLSearchParams(location.search).get('lang');
export let language = choose([...(asked ? [asked] : []), ...(navigator.languages ?? [navigator.language])]);
let { default: strings } = await import(`../i18n/${language}.js`);
document.documentElement.lang = language;

/** From now on that language, where we have it and the address asks for none; elements made before keep theirs. */
export async function speak(tag) {
  if (asked) return;
  language = choose([tag, language]);
  ({ default: strings } = await import(`../i18n/${language}.js`));
  document.documentElement.lang = language;
}

/** Fill `{name}` places of a template; a template may also be a function of the values (plurals). */
export function fill(template, values = {}) {
  if (typeof template === 'function') return template(values);
  return template.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** The phrase named `key`. A missing key shows itself, so that it is seen and mended. */
export function t(key, values) {
  const template = strings[key] ?? added[key];
  return template === undefined ? key : fill(template, values);
}

export const has = (key) => key in strings || key in added;

const added = {};

/** Phrases that only some pages need, besides those there are. */
export const add = (phrases) => Object.assign(added, phrases);

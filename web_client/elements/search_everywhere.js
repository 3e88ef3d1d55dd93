// Search in everything that was said: places with the words that were found, each a link to the moment.

import { searchTranscripts } from '../js/api.js';
import { h, show } from '../js/dom.js';
import { clock, when } from '../js/format.js';
import { placeHash } from '../js/place.js';
import { t } from '../js/strings.js';
import { titleOf } from '../js/transcript_title.js';

const PAUSE_MS = 250; // somebody is still typing
const PAGE = 20;

/** A snippet with what matches marked. The offsets count characters, not halves of them as strings here do. */
function marked({ text, matches }) {
  const chars = [...text];
  const parts = [];
  let at = 0;
  for (const [from, to] of matches) {
    parts.push(chars.slice(at, from).join(''), h('mark', { text: chars.slice(from, to).join('') }));
    at = to;
  }
  return [...parts, chars.slice(at).join('')];
}

/** Events: `searching` (detail: whether there is something to search for), `problem` (detail: the error). */
class SearchEverywhere extends HTMLElement {
  #field = h('input', { type: 'search', maxlength: 200, dir: 'auto', 'aria-label': t('search.label'), placeholder: t('search.label') });
  #found = h('p', { class: 'muted', role: 'status' });
  #hits = h('ol', { class: 'hits' });
  #more = h('button', { type: 'button', text: t('library.more'), onclick: () => this.#search(this.#hits.childElementCount) });
  #timer = 0;
  #abort = null;
  #wanted = {};

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.append(this.#field, show(this.#found, false), this.#hits, show(this.#more, false));
    this.#field.addEventListener('input', () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#begin(), PAUSE_MS);
    });
    this.#field.addEventListener('keydown', (event) => event.key === 'Enter' && this.#begin());
    addEventListener('keydown', (event) => {
      if (event.key !== '/' || event.target.matches('input, textarea, select')) return;
      event.preventDefault();
      this.#field.focus();
    });
    this.#field.value = new URLSearchParams(location.search).get('q') ?? '';
    if (this.#field.value) this.#begin();
  }

  /** What narrows the search stands between the question and what was found. */
  set beside(element) {
    this.#field.after(element);
  }

  /** Only transcripts of this kind (`{source_kind}`). */
  set wanted(wanted) {
    this.#wanted = wanted;
    if (this.#field.value.trim()) this.#begin();
  }

  /** The question stands in the address: Back from a transcript leads to what was found. */
  #begin() {
    clearTimeout(this.#timer);
    const q = this.#field.value.trim();
    if (!this.hasAttribute('story')) history.replaceState(null, '', q ? `?${new URLSearchParams({ q })}` : location.pathname);
    this.dispatchEvent(new CustomEvent('searching', { detail: q !== '' }));
    this.#abort?.abort();
    if (q) this.#search(0);
    else this.render({ results: [], total: 0 }, 0, q);
  }

  async #search(offset) {
    const abort = new AbortController();
    this.#abort = abort;
    const q = this.#field.value.trim();
    try {
      const answer = await searchTranscripts(q, { offset, limit: PAGE, wanted: this.#wanted, signal: abort.signal });
      if (!abort.signal.aborted) this.render(answer, offset, q);
    } catch (error) {
      if (!abort.signal.aborted) this.dispatchEvent(new CustomEvent('problem', { detail: error }));
    }
  }

  render({ results, total }, offset, q) {
    const hits = results.map((hit) => this.#hit(hit));
    if (offset) this.#hits.append(...hits);
    else this.#hits.replaceChildren(...hits);
    this.#found.textContent = q ? t('search.found', { count: total }) : '';
    show(this.#found, q !== '');
    show(this.#more, this.#hits.childElementCount < total);
  }

  #hit(hit) {
    const path = `/t/${encodeURIComponent(hit.id)}`;
    const more = hit.total_match_count - hit.snippets.length;
    return h('li', { class: 'hit' },
      h('a', { class: 'hit-title', href: path, dir: 'auto', text: titleOf(hit) }),
      h('span', { class: 'row-facts' },
        h('time', { datetime: hit.created_at, text: when(hit.created_at) }), h('span', { text: clock(hit.duration) }),
        more > 0 ? h('span', { text: t('search.more', { count: more }) }) : null),
      h('ul', { class: 'snippets' }, ...hit.snippets.map((found) => this.#snippet(path, found))));
  }

  #snippet(path, { start, track, time, speaker, ...found }) {
    return h('li', {}, h('a', { class: 'snippet', href: path + placeHash({ time: start, track }) },
      h('span', { class: 'snippet-time', text: time === null ? '' : clock(time) }),
      h('span', { dir: 'auto' }, speaker ? h('bdi', { class: 'snippet-who', text: speaker }) : null, speaker ? ' ' : null, ...marked(found))));
  }
}

customElements.define('search-everywhere', SearchEverywhere);

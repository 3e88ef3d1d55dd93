// The transcripts there are: name, time, length, state; each a link, each can be deleted. And the bin, with those that
// were: each can be restored, or deleted for good.

import { deleteTranscript, destroyTranscript, listTranscripts, restoreTranscript } from '../js/api.js';
import { h, show } from '../js/dom.js';
import { clock, when } from '../js/format.js';
import { t } from '../js/strings.js';
import { titleOf } from '../js/transcript_title.js';

const PAGE = 50;
const BUSY = new Set(['recording', 'processing', 'paused']);
const REFRESH_MS = 3000; // while something is being recorded or written down

/** Events: `problem` (detail: the error), `shown`. */
class TranscriptList extends HTMLElement {
  #rows = h('ul', { class: 'rows' });
  #none = h('p', { class: 'muted' });
  #more = h('button', { type: 'button', text: t('library.more'), onclick: () => this.#load(this.#pages + 1) });
  #items = new Map(); // id -> transcript, in the server's order
  #pages = 1;
  #total = 0;
  #timer = 0;
  #wanted = {};
  #bin = false;
  #asked = 0; // only the newest answer is shown

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.append(this.#rows, this.#none, show(this.#more, false));
    if (!this.hasAttribute('story')) this.refresh();
  }

  disconnectedCallback() {
    clearTimeout(this.#timer);
  }

  /** Which ones: `{status, source_kind}` as the server names them; `bin`: those that were deleted. */
  choose(wanted, { bin = false } = {}) {
    this.#wanted = wanted;
    this.#bin = bin;
    return this.refresh();
  }

  async refresh() {
    await this.#load(1);
  }

  async #load(page) {
    clearTimeout(this.#timer);
    this.#asked += 1;
    const asked = this.#asked;
    try {
      const wanted = { ...this.#wanted, include_deleted: this.#bin };
      let answer = await listTranscripts(page, PAGE, wanted);
      if (asked !== this.#asked) return;
      if (page === 1) this.#items.clear();
      // The bin is a part of the list with it: pages that hold nothing of it are gone through.
      for (;;) {
        for (const item of answer.items) if (!this.#bin || item.deleted_at) this.#items.set(item.id, item);
        if (!this.#bin || this.#items.size || page * PAGE >= answer.total) break;
        page += 1;
        answer = await listTranscripts(page, PAGE, wanted);
        if (asked !== this.#asked) return;
      }
      this.#pages = page;
      this.#total = answer.total;
    } catch (error) {
      this.dispatchEvent(new CustomEvent('problem', { detail: error }));
      return;
    }
    this.render();
    this.dispatchEvent(new CustomEvent('shown'));
    const busy = [...this.#items.values()].some((item) => BUSY.has(item.data.state));
    if (busy && this.#pages === 1) this.#timer = setTimeout(() => this.isConnected && this.refresh(), REFRESH_MS);
  }

  /** For the story page. */
  set items(items) {
    this.#items = new Map(items.map((item) => [item.id, item]));
    this.#bin = items.some((item) => item.deleted_at);
    this.#total = items.length;
    this.render();
  }

  render() {
    const items = [...this.#items.values()];
    const focused = document.activeElement?.closest('li')?.dataset.id;
    this.#rows.replaceChildren(...items.map((item) => (this.#bin ? this.#deleted(item) : this.#row(item))));
    if (focused) this.#rows.querySelector(`[data-id="${CSS.escape(focused)}"] :is(a, button)`)?.focus();
    const chosen = Object.values(this.#wanted).some(Boolean);
    this.#none.textContent = items.length ? '' : t(this.#bin ? 'bin.empty' : chosen ? 'library.none' : 'library.empty');
    show(this.#none, items.length === 0);
    show(this.#more, this.#bin ? this.#pages * PAGE < this.#total : this.#items.size < this.#total);
  }

  #facts(item) {
    const { state, duration = 0, words = 0 } = item.data;
    return h('span', { class: 'row-facts' },
      h('time', { datetime: item.created_at, text: when(item.created_at) }),
      h('span', { text: clock(duration) }),
      h('span', { text: t('library.words', { count: words }) }),
      item.room_name ? h('span', { dir: 'auto', text: item.room_name }) : null,
      item.deleted_at
        ? h('span', { text: t('bin.since', { when: when(item.deleted_at) }) })
        : h('span', { class: 'row-state', 'data-state': state, text: t(`status.${state}`) }));
  }

  #row(item) {
    const name = titleOf(item);
    return h('li', { 'data-id': item.id },
      h('a', { href: `/t/${encodeURIComponent(item.id)}`, class: 'row-link' },
        h('span', { class: 'row-name', dir: 'auto', text: name }), this.#facts(item)),
      h('button', {
        class: 'quiet', type: 'button', text: t('library.delete'), 'aria-label': t('library.delete.what', { name }), disabled: item.locked,
        onclick: () => confirm(t('library.delete.sure', { name })) && this.#take(item.id, deleteTranscript),
      }));
  }

  #deleted(item) {
    const name = titleOf(item);
    return h('li', { 'data-id': item.id },
      h('div', { class: 'row-link' }, h('span', { class: 'row-name', dir: 'auto', text: name }), this.#facts(item)),
      h('div', { class: 'row-actions' },
        h('button', {
          type: 'button', text: t('bin.restore'), 'aria-label': t('bin.restore.what', { name }),
          onclick: () => this.#take(item.id, restoreTranscript),
        }),
        h('button', {
          class: 'quiet', type: 'button', text: t('bin.destroy'), 'aria-label': t('bin.destroy.what', { name }),
          onclick: () => confirm(t('bin.destroy.sure', { name })) && this.#take(item.id, destroyTranscript),
        })));
  }

  /** Do it to one, which then is not in this list any more. */
  async #take(id, action) {
    try {
      await action(id);
      this.#items.delete(id);
      this.#total -= 1;
      this.render();
    } catch (error) {
      this.dispatchEvent(new CustomEvent('problem', { detail: error }));
    }
  }
}

customElements.define('transcript-list', TranscriptList);

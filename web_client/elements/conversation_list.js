// The conversations of a project, as they arrive: the newest first, each a link to its words.

import { conversationState } from '../js/conversation_state.js';
import { h, show } from '../js/dom.js';
import { clock, when } from '../js/format.js';
import { Polling } from '../js/polling.js';
import { listConversations, retryChunks } from '../js/projects_api.js';
import { t } from '../js/strings.js';

const PAGE = 25;
const RENEWED_MAX = 100; // as many as the server gives at once; what is older stays as it was fetched
const FLOOR_DB = -54;
const BUSY_MS = 3000;
const CALM_MS = 6000; // while nothing goes on but that somebody may begin

/** Events: `problem` (detail: the error), `renewed` when it is as the server has it. */
class ConversationList extends HTMLElement {
  #count = h('p', { class: 'muted conversations-count', role: 'status' });
  #rows = h('ul', { class: 'rows' });
  #none = h('p', { class: 'muted', text: t('conversations.none') });
  #more = h('button', { type: 'button', text: t('library.more'), onclick: () => this.#showMore() });
  #project = null;
  #items = new Map(); // id -> conversation
  #shown = new Map(); // id -> {told, row}
  #tags = new Map();
  #total = 0;
  #wanted = PAGE;
  #polling = new Polling((signal) => this.#renew(signal), () => (this.#busy ? BUSY_MS : CALM_MS));

  connectedCallback() {
    if (!this.hasChildNodes()) {
      this.append(this.#count, this.#rows, show(this.#none, false), show(this.#more, false),
        h('p', { class: 'muted hint', text: t('conversations.level') }));
    }
    if (this.#project) this.#polling.start();
  }

  disconnectedCallback() {
    this.#polling.stop();
  }

  /** Whose they are; again, when its tags have other names. */
  set project(project) {
    const first = this.#project === null;
    this.#project = project.id;
    this.#tags = new Map(project.tags.map((tag) => [tag.id, tag.text]));
    if (first && this.isConnected) this.#polling.start();
    else this.render();
  }

  refresh() {
    return this.#polling.now();
  }

  get #busy() {
    return [...this.#items.values()].some((item) => ['going', 'writing'].includes(conversationState(item)));
  }

  async #renew(signal) {
    try {
      this.#take(await listConversations(this.#project, 1, Math.min(RENEWED_MAX, this.#wanted), { signal }));
    } catch (error) {
      if (!signal.aborted) this.dispatchEvent(new CustomEvent('problem', { detail: error }));
      throw error;
    }
    this.dispatchEvent(new CustomEvent('renewed'));
  }

  /** What is not among the newest any more, though younger than the oldest of them, is gone. */
  #take({ items, total }) {
    const there = new Set(items.map((item) => item.id));
    const whole = items.length >= total;
    const oldest = items.at(-1)?.created_at ?? '';
    for (const [id, { created_at: at }] of this.#items) {
      if (there.has(id)) continue;
      if (whole || at > oldest) this.#items.delete(id);
      else this.#items.get(id).level_dbfs = null; // of those that were not asked for nobody knows
    }
    for (const item of items) this.#items.set(item.id, item);
    this.#total = total;
    this.render();
  }

  async #showMore() {
    this.#wanted = this.#items.size + PAGE;
    if (this.#wanted <= RENEWED_MAX) {
      await this.#polling.now();
      return;
    }
    try {
      const { items } = await listConversations(this.#project, Math.floor(this.#items.size / PAGE) + 1, PAGE);
      for (const item of items) this.#items.set(item.id, item);
      this.render();
    } catch (error) {
      this.dispatchEvent(new CustomEvent('problem', { detail: error }));
    }
  }

  /** For the story page. */
  set items(items) {
    this.#take({ items, total: items.length });
  }

  render() {
    const newest = (a, b) => b.created_at.localeCompare(a.created_at) || b.id.localeCompare(a.id);
    const items = [...this.#items.values()].sort(newest);
    const focused = document.activeElement?.closest('conversation-list li')?.dataset.id;
    const rows = items.map((item) => this.#row(item));
    for (const id of this.#shown.keys()) if (!this.#items.has(id)) this.#shown.delete(id);
    if (rows.length !== this.#rows.children.length || rows.some((row, i) => row !== this.#rows.children[i])) {
      this.#rows.replaceChildren(...rows);
      if (focused) this.#rows.querySelector(`[data-id="${CSS.escape(focused)}"] a`)?.focus();
    }
    const going = items.filter((item) => conversationState(item) === 'going').length;
    const count = this.#total ? t('conversations.count', { count: this.#total, going }) : '';
    if (this.#count.textContent !== count) this.#count.textContent = count; // it is read out
    show(this.#none, this.#total === 0);
    show(this.#more, this.#items.size < this.#total);
  }

  /** The row there is, as long as it tells the same. */
  #row(item) {
    const told = JSON.stringify([{ ...item, level_dbfs: null }, item.tag_id_list.map((tag) => this.#tags.get(tag))]);
    const known = this.#shown.get(item.id);
    const row = known?.told === told ? known.row : this.#made(item);
    this.#shown.set(item.id, { told, row });
    this.#showLevel(row, item);
    return row;
  }

  /** In the row as it stands: it is another one every moment. */
  #showLevel(row, { level_dbfs: level }) {
    const meter = row.querySelector('meter');
    if (!meter) return;
    if (level !== null) meter.value = level;
    show(meter, level !== null);
  }

  #made(item) {
    const state = conversationState(item);
    const { chunks_received: received, chunks_settled: settled, expected_chunks: expected } = item;
    const awaited = expected !== null && expected > received;
    const tags = item.tag_id_list.map((tag) => this.#tags.get(tag)).filter(Boolean);
    const fact = (text, more) => h('span', { text, ...more });
    return h('li', { 'data-id': item.id },
      h('a', { href: `/t/${encodeURIComponent(item.id)}`, class: 'row-link' },
        h('span', { class: 'row-name', dir: 'auto', text: item.participant_name || t('conversations.unnamed') }),
        item.title ? fact(item.title, { class: 'row-title', dir: 'auto' }) : null,
        tags.length ? h('span', { class: 'row-tags' }, ...tags.map((text) => fact(text, { class: 'tag', dir: 'auto' }))) : null,
        h('span', { class: 'row-facts' },
          fact(t(`conversations.state.${state}`), { class: 'row-state', 'data-state': state }),
          state === 'going' ? h('meter', { min: FLOOR_DB, max: 0, 'aria-label': t('conversations.loudness') }) : null,
          h('time', { datetime: item.created_at, text: when(item.created_at) }),
          fact(clock(item.duration_s)),
          fact(t('library.words', { count: item.words })),
          received || awaited ? fact(t(awaited ? 'conversations.chunks.awaited' : 'conversations.chunks', { received, settled, expected })) : null,
          item.participant_email ? fact(item.participant_email, { dir: 'auto' }) : null,
          item.is_anonymized ? fact(t('conversations.redacted')) : null)),
      item.chunks_given_up ? this.#retryButton(item) : null);
  }

  #retryButton({ id, participant_name: name, chunks_given_up: count }) {
    const button = h('button', {
      type: 'button', class: 'quiet calm', text: t('conversations.retry', { count }),
      'aria-label': t('conversations.retry.what', { count, name: name || t('conversations.unnamed') }),
      onclick: () => this.#retry(id, button),
    });
    return button;
  }

  async #retry(id, button) {
    button.disabled = true;
    try {
      await retryChunks(id);
      await this.refresh();
    } catch (error) {
      this.dispatchEvent(new CustomEvent('problem', { detail: error }));
    }
    button.disabled = false;
  }
}

customElements.define('conversation-list', ConversationList);

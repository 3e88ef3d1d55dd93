// What a webhook was told and will be told; each message can be sent again.

import { h, show } from '../js/dom.js';
import { when } from '../js/format.js';
import { listDeliveries, replayDelivery } from '../js/projects_api.js';
import { t } from '../js/strings.js';

const PAGE = 20;

/** Events: `problem` (detail: the error). */
class WebhookDeliveries extends HTMLElement {
  #said = h('span', { class: 'muted', role: 'status' });
  #rows = h('ul', { class: 'rows small' });
  #none = h('p', { class: 'muted', text: t('deliveries.none') });
  #more = h('button', { type: 'button', text: t('library.more'), onclick: () => this.#load(this.#pages + 1) });
  #items = new Map();
  #pages = 1;
  #total = 0;
  #webhook = null;

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.append(
      h('div', { class: 'row' }, h('button', { type: 'button', text: t('deliveries.refresh'), onclick: () => this.#load(1) }), this.#said),
      show(this.#none, false), this.#rows, show(this.#more, false));
  }

  /** Of which webhook. */
  open(webhook) {
    this.#webhook = webhook;
    return this.#load(1);
  }

  async #load(page) {
    this.#said.textContent = '';
    await this.#trying(async () => {
      const { project_id: project, id } = this.#webhook;
      const { items, total } = await listDeliveries(project, id, page, PAGE);
      if (page === 1) this.#items.clear();
      for (const item of items) this.#items.set(item.id, item);
      this.#pages = page;
      this.#total = total;
    });
  }

  async #trying(action) {
    try {
      await action();
      this.render();
    } catch (error) {
      this.dispatchEvent(new CustomEvent('problem', { detail: error, bubbles: true }));
    }
  }

  /** For the story page. */
  set items(items) {
    this.#items = new Map(items.map((item) => [item.id, item]));
    this.#total = items.length;
    this.render();
  }

  render() {
    this.#rows.replaceChildren(...[...this.#items.values()].map((item) => this.#row(item)));
    show(this.#none, this.#items.size === 0);
    show(this.#more, this.#pages * PAGE < this.#total);
  }

  #row(item) {
    const at = when(item.created_at);
    return h('li', { 'data-id': item.id },
      h('div', { class: 'row-link' },
        h('span', { class: 'row-name', text: t(`webhooks.event.${item.event}`) }),
        h('span', { class: 'row-facts' },
          h('span', { class: 'row-state', 'data-state': item.state, text: t(`deliveries.state.${item.state}`) }),
          h('time', { datetime: item.created_at, text: at }),
          h('span', { text: t('deliveries.attempts', { count: item.attempts }) }),
          item.next_attempt_at && item.attempts ? h('span', { text: t('deliveries.next', { when: when(item.next_attempt_at) }) }) : null,
          item.message ? h('span', { dir: 'auto', text: item.message }) : null)),
      h('button', {
        type: 'button', class: 'quiet calm', text: t('deliveries.replay'), 'aria-label': t('deliveries.replay.what', { when: at }),
        onclick: () => this.#replay(item),
      }));
  }

  #replay({ id }) {
    this.#said.textContent = '';
    return this.#trying(async () => {
      const { project_id: project, id: hook } = this.#webhook;
      const again = await replayDelivery(project, hook, id);
      this.#items = new Map([[again.id, again], ...this.#items]);
      this.#total += 1;
      this.#said.textContent = t('deliveries.replayed');
    });
  }
}

customElements.define('webhook-deliveries', WebhookDeliveries);

// The webhooks of a project: how they fare; each is tested, switched on and off, looked into and deleted.

import './webhook_deliveries.js';
import './webhook_form.js';
import { h, show } from '../js/dom.js';
import { changeWebhook, deleteWebhook, listWebhooks, testWebhook } from '../js/projects_api.js';
import { t } from '../js/strings.js';

/** Events: `problem` (detail: the error), `counted` (detail: how many there are). */
class WebhookList extends HTMLElement {
  #rows = h('ul', { class: 'rows' });
  #none = h('p', { class: 'muted', text: t('webhooks.none') });
  #form = document.createElement('webhook-form');
  #hooks = new Map();
  #made = new Map(); // id -> its row, which keeps what was opened in it
  #project = '';

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.#form.addEventListener('made', ({ detail }) => {
      this.#hooks.set(detail.id, detail);
      this.render();
    });
    this.#form.addEventListener('problem', ({ detail }) => this.#complain(detail));
    this.append(h('p', { class: 'muted', text: t('webhooks.what') }), show(this.#none, false), this.#rows, this.#form);
  }

  /** Fetch those of a project. Raises ApiError: of a server that has none, with `NOT_FOUND`. */
  async open(projectId) {
    this.#project = projectId;
    this.#form.project = projectId;
    this.hooks = (await listWebhooks(projectId)).items;
  }

  set hooks(hooks) {
    this.#hooks = new Map(hooks.map((hook) => [hook.id, hook]));
    this.#made.clear();
    this.render();
  }

  #complain(error) {
    this.dispatchEvent(new CustomEvent('problem', { detail: error }));
  }

  render() {
    for (const id of this.#made.keys()) if (!this.#hooks.has(id)) this.#made.delete(id);
    const rows = [...this.#hooks.values()].map((hook) => {
      if (!this.#made.has(hook.id)) this.#made.set(hook.id, this.#row(hook.id));
      const row = this.#made.get(hook.id);
      row.tell(hook);
      return row.element;
    });
    if (rows.length !== this.#rows.children.length) this.#rows.replaceChildren(...rows);
    else rows.forEach((row, i) => row !== this.#rows.children[i] && this.#rows.replaceChildren(...rows));
    show(this.#none, this.#hooks.size === 0);
    this.dispatchEvent(new CustomEvent('counted', { detail: this.#hooks.size }));
  }

  #row(id) {
    const hook = () => this.#hooks.get(id);
    const [name, url, events] = ['row-name', 'row-url', ''].map((kind) => h('span', { class: kind, dir: 'auto' }));
    const state = h('span', { class: 'row-state' });
    const last = h('span', { dir: 'auto' });
    const said = h('p', { class: 'hint', role: 'status' });
    const deliveries = document.createElement('webhook-deliveries');
    deliveries.addEventListener('problem', ({ detail }) => this.#complain(detail));
    const button = (kind, key, onclick) => h('button', { type: 'button', class: kind, text: t(key), onclick });
    const test = button('quiet calm', 'webhooks.test', () => this.#test(id, test, said));
    const toggle = button('quiet calm', 'webhooks.off', () => this.#trying(async () => {
      const status = hook().status === 'published' ? 'draft' : 'published';
      const { secret, ...changed } = await changeWebhook(this.#project, id, { status });
      this.#hooks.set(id, changed);
    }));
    const look = button('quiet calm', 'deliveries', () => {
      const opens = deliveries.hidden;
      look.setAttribute('aria-expanded', String(opens));
      show(deliveries, opens);
      if (opens) deliveries.open(hook());
    });
    look.setAttribute('aria-expanded', 'false');
    const gone = button('quiet', 'library.delete', () => confirm(t('webhooks.delete.sure', { name: hook().name })) && this.#trying(async () => {
      await deleteWebhook(this.#project, id);
      this.#hooks.delete(id);
    }));
    const element = h('li', { 'data-id': id, class: 'hook' },
      h('div', { class: 'row-link' }, name, url, h('span', { class: 'row-facts' }, state, events, last)),
      h('div', { class: 'row-actions' }, test, look, toggle, gone),
      said, show(deliveries, false));
    const tell = (now) => {
      const isOn = now.status === 'published';
      name.textContent = now.name;
      url.textContent = now.url;
      events.textContent = now.events.map((event) => t(`webhooks.event.${event}`)).join(' · ');
      state.textContent = t(`webhooks.health.${now.health}`);
      state.dataset.state = { ok: 'open', retrying: 'paused', failing: 'failed' }[now.health] ?? '';
      last.textContent = ['retrying', 'failing'].includes(now.health) ? now.message ?? '' : '';
      toggle.textContent = t(isOn ? 'webhooks.off' : 'webhooks.on');
      const labels = [[test, 'webhooks.test.what'], [look, 'deliveries.what'], [toggle, isOn ? 'webhooks.off.what' : 'webhooks.on.what'], [gone, 'library.delete.what']];
      for (const [each, key] of labels) each.setAttribute('aria-label', t(key, { name: now.name }));
    };
    return { element, tell };
  }

  async #test(id, test, said) {
    test.disabled = true;
    said.textContent = '';
    await this.#trying(async () => {
      const { success, message, took_ms: ms } = await testWebhook(this.#project, id);
      said.textContent = t(success ? 'webhooks.test.ok' : 'webhooks.test.failed', { ms, message });
    });
    test.disabled = false;
  }

  async #trying(action) {
    try {
      await action();
      this.render();
    } catch (error) {
      this.#complain(error);
    }
  }
}

customElements.define('webhook-list', WebhookList);

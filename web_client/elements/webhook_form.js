// Adds a webhook: what it is called, where it is sent to, what it is told of; then shows its secret, this once.

import { h, show } from '../js/dom.js';
import { createWebhook } from '../js/projects_api.js';
import { t } from '../js/strings.js';

const EVENTS = ['conversation.started', 'conversation.transcribed', 'conversation.summarized', 'report.generated'];

/** Events: `made` (detail: the webhook, without its secret), `problem` (detail: the error). */
class WebhookForm extends HTMLElement {
  #name = h('input', { type: 'text', id: 'hook-name', maxlength: 200, required: true, pattern: '.*\\S.*', dir: 'auto', autocomplete: 'off' });
  #url = h('input', { type: 'url', id: 'hook-url', maxlength: 2000, required: true, pattern: 'https?://[!-~]+', dir: 'ltr', autocomplete: 'off', title: t('webhooks.url.hint'), 'aria-describedby': 'hook-url-hint' });
  #events = EVENTS.map((value) => h('input', { type: 'checkbox', value, checked: value !== 'conversation.started' }));
  #make = h('button', { class: 'primary', text: t('webhooks.create') });
  #secret = h('div', { class: 'secret', role: 'group', tabindex: -1, 'aria-labelledby': 'hook-secret' });
  #project = '';

  connectedCallback() {
    if (this.hasChildNodes()) return;
    const choices = this.#events.map((input) => h('label', { class: 'check' }, input, t(`webhooks.event.${input.value}`)));
    this.append(show(this.#secret, false), h('form', { class: 'webhook-form', onsubmit: (event) => this.#submit(event), onchange: () => this.#check() },
      h('h3', { text: t('webhooks.new') }),
      h('div', { class: 'field' }, h('label', { for: 'hook-name', text: t('webhooks.name') }), this.#name),
      h('div', { class: 'field' }, h('label', { for: 'hook-url', text: t('webhooks.url') }), this.#url,
        h('p', { class: 'muted hint', id: 'hook-url-hint', text: t('webhooks.url.hint') })),
      h('fieldset', {}, h('legend', { text: t('webhooks.events') }), ...choices),
      h('div', { class: 'row' }, this.#make)));
  }

  set project(id) {
    this.#project = id;
  }

  #check() {
    this.#events[0].setCustomValidity(this.#events.some((input) => input.checked) ? '' : t('webhooks.events.none'));
  }

  async #submit(event) {
    event.preventDefault();
    this.#make.disabled = true;
    const events = this.#events.filter((input) => input.checked).map((input) => input.value);
    try {
      const { secret, ...webhook } = await createWebhook(this.#project, { name: this.#name.value.trim(), url: this.#url.value.trim(), events });
      this.#name.value = '';
      this.#url.value = '';
      this.tell(webhook.name, secret);
      this.dispatchEvent(new CustomEvent('made', { detail: webhook }));
    } catch (error) {
      this.dispatchEvent(new CustomEvent('problem', { detail: error }));
    } finally {
      this.#make.disabled = false;
    }
  }

  /** Show a secret until it is closed; nothing keeps it. */
  tell(name, secret) {
    const value = h('code', { class: 'secret-value', dir: 'ltr', text: secret });
    const said = h('span', { class: 'muted', role: 'status' });
    const copy = () => navigator.clipboard.writeText(secret)
      .then(() => (said.textContent = t('webhooks.secret.copied')))
      .catch(() => (said.textContent = t('webhooks.secret.by-hand')));
    const close = () => {
      this.#secret.replaceChildren();
      show(this.#secret, false);
      this.#name.focus();
    };
    this.#secret.replaceChildren(
      h('h3', { id: 'hook-secret', text: t('webhooks.secret', { name }) }),
      h('p', { text: t('webhooks.secret.what') }), value,
      h('div', { class: 'row' },
        // Pages that are not secure have no clipboard.
        navigator.clipboard ? h('button', { type: 'button', text: t('webhooks.secret.copy'), onclick: copy }) : null,
        h('button', { type: 'button', text: t('webhooks.secret.close'), onclick: close }), said));
    show(this.#secret, true).focus();
  }
}

customElements.define('webhook-form', WebhookForm);

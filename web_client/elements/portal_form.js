// What a project asks of its participants before they begin.

import { h, icon, ICONS, show } from '../js/dom.js';
import { t } from '../js/strings.js';

/** Events: `begin` (detail: `{fields, microphone}`), the fields as the server wants them. */
class PortalForm extends HTMLElement {
  #name = h('input', { type: 'text', id: 'portal-name', name: 'name', maxlength: 200, autocomplete: 'name', dir: 'auto' });
  #email = h('input', { type: 'email', id: 'portal-email', name: 'email', maxlength: 320, autocomplete: 'email' });
  #tags = h('div', { class: 'tags' });
  #start = h('button', { class: 'big' }, h('span', { class: 'big-icon' }, icon(...ICONS.microphone)), h('span', { text: t('portal.start') }));
  #write = h('button', { type: 'button', text: t('portal.write'), onclick: () => this.#begin(false) });

  /** A project as participants see it. `silent`: this browser cannot record. */
  show(project, { silent = false } = {}) {
    const field = (input, label, wanted) => show(h('div', { class: 'field' },
      h('label', { for: input.id, text: label, dir: 'auto' }), input, h('p', { class: 'muted hint', text: t('portal.optional') })), wanted);
    this.#tags.replaceChildren(...project.tags.map((tag) => h('label', { class: 'tag' },
      h('input', { type: 'checkbox', value: tag.id }), h('span', { text: tag.text, dir: 'auto' }))));
    show(this.#start, !silent);
    this.replaceChildren(h('form', { class: 'portal-form', onsubmit: (event) => this.#submit(event) },
      field(this.#name, project.name_label || t('portal.name'), project.ask_for_name),
      field(this.#email, t('portal.email'), project.ask_for_email),
      show(h('fieldset', {}, h('legend', { text: t('portal.tags') }), this.#tags), project.tags.length > 0),
      h('div', { class: 'start' }, this.#start, this.#write),
      h('p', { class: 'muted', text: t('portal.what') }),
      this.#smallPrint(project)));
  }

  /** Who asks, by what right, and what becomes of it: in the host's words. */
  #smallPrint({ organiser_name: organiser, legal_basis: basis, privacy_policy_url: policy }) {
    const line = (text) => text && h('p', { text, dir: 'auto', class: 'host-text' });
    const link = policy && h('p', {}, h('a', { href: policy, text: t('portal.privacy'), rel: 'noreferrer', target: '_blank' }));
    const lines = [organiser && line(t('portal.by', { name: organiser })), line(basis), link].filter(Boolean);
    return show(h('div', { class: 'small-print' }, ...lines), lines.length > 0);
  }

  set disabled(value) {
    for (const button of this.querySelectorAll('button')) button.disabled = value;
  }

  #submit(event) {
    event.preventDefault();
    this.#begin(!this.#start.hidden);
  }

  #begin(microphone) {
    if (!this.querySelector('form').reportValidity()) return;
    const [name, email] = [this.#name.value.trim(), this.#email.value.trim()];
    const tags = [...this.#tags.querySelectorAll(':checked')].map((box) => box.value);
    const fields = { ...(name && { name }), ...(email && { email }), tag_id_list: tags };
    this.dispatchEvent(new CustomEvent('begin', { detail: { fields, microphone } }));
  }
}

customElements.define('portal-form', PortalForm);

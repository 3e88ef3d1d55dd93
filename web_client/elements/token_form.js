// Asks for the access token of a server that wants one.

import { h } from '../js/dom.js';
import { t } from '../js/strings.js';

class TokenForm extends HTMLElement {
  /**
   * Resolves to the token, or to an empty string when the form was closed. `again`: the one we had was refused;
   * `isSendable`: whether a text can be one.
   */
  ask({ again, isSendable }) {
    const input = h('input', {
      type: 'password', id: 'token', name: 'token', autocomplete: 'current-password', required: true,
      'aria-describedby': 'token-why',
    });
    const why = h('p', { id: 'token-why', role: 'status', text: t(again ? 'token.again' : 'token.why') });
    const dialog = h('dialog', { class: 'token-dialog', 'aria-labelledby': 'token-title' },
      h('form', { method: 'dialog' },
        h('h2', { id: 'token-title', text: t('token.title') }),
        why,
        h('label', { for: 'token', text: t('token.label') }),
        input,
        h('div', { class: 'row' },
          h('button', { class: 'primary', value: 'use', text: t('token.use') }),
          h('button', { value: '', formnovalidate: true, text: t('cancel') }))));
    // What no header can carry is no token, and would fail as if there were no server.
    dialog.querySelector('form').addEventListener('submit', (event) => {
      if (event.submitter?.value !== 'use' || isSendable(input.value.trim())) return;
      event.preventDefault();
      why.textContent = t('token.invalid');
      input.select();
    });
    this.append(dialog);
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener('close', () => resolve(dialog.returnValue === 'use' ? input.value.trim() : ''));
    });
  }
}

customElements.define('token-form', TokenForm);

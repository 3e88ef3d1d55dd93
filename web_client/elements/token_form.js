// Asks for the access token of a server that wants one.

import { h } from '../js/dom.js';
import { t } from '../js/strings.js';

class TokenForm extends HTMLElement {
  /** Resolves to the token, or to an empty string when the form was closed. `again`: the one we had was refused. */
  ask(again) {
    const input = h('input', {
      type: 'password', id: 'token', name: 'token', autocomplete: 'current-password', required: true,
      'aria-describedby': 'token-why',
    });
    const dialog = h('dialog', { class: 'token-dialog', 'aria-labelledby': 'token-title' },
      h('form', { method: 'dialog' },
        h('h2', { id: 'token-title', text: t('token.title') }),
        h('p', { id: 'token-why', text: t(again ? 'token.again' : 'token.why') }),
        h('label', { for: 'token', text: t('token.label') }),
        input,
        h('div', { class: 'row' },
          h('button', { class: 'primary', value: 'use', text: t('token.use') }),
          h('button', { value: '', formnovalidate: true, text: t('cancel') }))));
    this.append(dialog);
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener('close', () => resolve(dialog.returnValue === 'use' ? input.value.trim() : ''));
    });
  }
}

customElements.define('token-form', TokenForm);

// A button that puts an address into the clipboard, and says so.

import { h, icon, ICONS } from '../js/dom.js';
import { t } from '../js/strings.js';

const SAID_MS = 4000;

class CopyLink extends HTMLElement {
  #path = '/';
  #said = h('span', { class: 'copied muted', role: 'status', dir: 'auto' });
  #timer = 0;

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.append(
      h('button', { type: 'button', onclick: () => this.#copy() }, icon(...ICONS.link), t('link.copy')),
      this.#said);
  }

  /** Where the link leads, on this server. */
  set path(path) {
    this.#path = path;
  }

  async #copy() {
    const address = new URL(this.#path, location.href).href;
    try {
      await navigator.clipboard.writeText(address);
      this.#said.textContent = t('link.copied');
    } catch {
      this.#said.textContent = address; // no clipboard on pages that are not secure: to be copied by hand
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.#said.textContent = ''), SAID_MS);
  }
}

customElements.define('copy-link', CopyLink);

// The participants' page of a project: its address, to be opened, copied or scanned.

import './copy_link.js';
import { h, show } from '../js/dom.js';
import { portalPath, qrPath } from '../js/projects_api.js';
import { t } from '../js/strings.js';

class PortalAddress extends HTMLElement {
  #open = h('a', { class: 'portal-url', dir: 'ltr', target: '_blank', rel: 'noopener' });
  #copy = document.createElement('copy-link');
  #save = h('a', { download: true, text: t('project.portal.qr.save') });
  #picture = h('img', { class: 'qr', alt: t('project.portal.qr'), width: 160, height: 160 });
  #now = h('p', { class: 'portal-now', role: 'status' });

  connectedCallback() {
    if (this.hasChildNodes()) return;
    // A server without the picture still has the address.
    this.#withPicture(false);
    this.#picture.addEventListener('load', () => this.#withPicture(true));
    this.#picture.addEventListener('error', () => this.#withPicture(false));
    this.append(
      h('div', { class: 'portal-text' },
        h('h2', { text: t('project.portal') }),
        h('p', { class: 'muted', text: t('project.portal.what') }),
        this.#open, this.#now,
        h('div', { class: 'row' }, this.#copy, this.#save)),
      this.#picture);
  }

  #withPicture(there) {
    show(this.#picture, there);
    show(this.#save, there);
  }

  /** `picture`: where the code is, if not where the server has it. */
  show({ id, portal_url: url, is_open: isOpen }, picture = qrPath(id)) {
    this.#open.href = portalPath(id);
    this.#open.textContent = url;
    this.#copy.path = portalPath(id);
    this.#now.textContent = t(isOpen ? 'project.now.open' : 'project.now.closed');
    this.dataset.open = String(isOpen);
    if (this.#picture.getAttribute('src') === picture) return;
    this.#save.href = picture;
    this.#picture.src = picture;
  }
}

customElements.define('portal-address', PortalAddress);

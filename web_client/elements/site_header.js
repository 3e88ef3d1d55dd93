// The name of the house and the way to the transcripts. The same on every page.

import { h } from '../js/dom.js';
import { t } from '../js/strings.js';

class SiteHeader extends HTMLElement {
  connectedCallback() {
    const here = this.getAttribute('here');
    const link = (href, key) => h('a', { href, text: t(key), 'aria-current': here === key && 'page' });
    this.replaceChildren(
      h('a', { class: 'skip', href: '#main', text: t('skip') }),
      h('a', { class: 'brand', href: '/', text: 'Earshot' }),
      h('nav', { 'aria-label': t('nav') },
        link('/', 'nav.live'), link('/rooms', 'nav.rooms'), link('/projects', 'nav.projects'), link('/files', 'nav.files'), link('/t', 'nav.library')),
    );
  }
}

customElements.define('site-header', SiteHeader);

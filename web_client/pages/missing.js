// What an address shows that leads nowhere: says so, and where to go.

import '../elements/site_header.js';
import { h } from '../js/dom.js';
import { t } from '../js/strings.js';

document.title = t('title.missing');
document.querySelector('main').append(
  h('h1', { text: t('missing.heading') }),
  h('p', { class: 'lead', text: t('missing.what') }),
  h('div', { class: 'row' },
    h('a', { href: '/', text: t('missing.live') }),
    h('a', { href: '/t', text: t('missing.library') })),
);

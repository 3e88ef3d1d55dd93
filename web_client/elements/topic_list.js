// What was talked about, part by part: a table of contents that leads to the words.

import { h } from '../js/dom.js';
import { clock } from '../js/format.js';
import { t } from '../js/strings.js';

/** Events: `go` (detail: the id of the segment where the part begins). */
class TopicList extends HTMLElement {
  show(topics) {
    this.replaceChildren(h('ol', { class: 'topics' }, ...topics.map(({ title, timestamp, segments }) =>
      h('li', {}, h('button', {
        type: 'button', class: 'topic', onclick: () => this.dispatchEvent(new CustomEvent('go', { detail: segments[0]?.segment_id })),
      }, h('span', { class: 'topic-time', text: clock(timestamp) }), h('span', { class: 'topic-title', dir: 'auto', text: title || t('topics.untitled') }))))));
  }
}

customElements.define('topic-list', TopicList);

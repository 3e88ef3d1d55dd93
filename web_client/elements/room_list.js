// The rooms there are: name, who may enter, the way in; each can be locked for others and deleted.

import './copy_link.js';
import { h, show } from '../js/dom.js';
import { changeRoom, deleteRoom, listRooms } from '../js/rooms_api.js';
import { t } from '../js/strings.js';

const PAGE = 50;

/** Events: `problem` (detail: the error). */
class RoomList extends HTMLElement {
  #rows = h('ul', { class: 'rows' });
  #none = h('p', { class: 'muted', text: t('rooms.empty') });
  #more = h('button', { type: 'button', text: t('library.more'), onclick: () => this.#load(this.#pages + 1) });
  #rooms = new Map();
  #pages = 1;
  #total = 0;

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.append(this.#rows, show(this.#none, false), show(this.#more, false));
    if (!this.hasAttribute('story')) this.refresh();
  }

  refresh() {
    return this.#load(1);
  }

  async #load(page) {
    await this.#trying(async () => {
      const answer = await listRooms(page, PAGE);
      if (page === 1) this.#rooms.clear();
      for (const room of answer.items) this.#rooms.set(room.id, room);
      this.#pages = page;
      this.#total = answer.total;
    });
  }

  async #trying(action) {
    try {
      await action();
      this.render();
    } catch (error) {
      this.dispatchEvent(new CustomEvent('problem', { detail: error }));
    }
  }

  /** For the story page. */
  set rooms(rooms) {
    this.#rooms = new Map(rooms.map((room) => [room.id, room]));
    this.#total = rooms.length;
    this.render();
  }

  render() {
    this.#rows.replaceChildren(...[...this.#rooms.values()].map((room) => this.#row(room)));
    show(this.#none, this.#rooms.size === 0);
    show(this.#more, this.#rooms.size < this.#total);
  }

  #row(room) {
    const path = `/r/${encodeURIComponent(room.name)}`;
    const copy = document.createElement('copy-link');
    copy.path = path;
    const facts = [t(`rooms.${room.share_mode}`)];
    if (room.recording_type === 'none') facts.push(t('rooms.unkept'));
    if (room.platform !== 'builtin') facts.push(room.platform);
    return h('li', { 'data-id': room.id },
      h('a', { href: path, class: 'row-link' },
        h('span', { class: 'row-name', dir: 'auto', text: room.name }),
        h('span', { class: 'row-facts' },
          ...facts.map((text) => h('span', { text })),
          room.is_locked ? h('span', { class: 'row-state', 'data-state': 'paused', text: t('rooms.locked') }) : null)),
      h('div', { class: 'row-actions' },
        copy,
        h('button', {
          type: 'button', class: 'quiet calm', text: t(room.is_locked ? 'rooms.unlock' : 'rooms.lock'),
          'aria-label': t(room.is_locked ? 'rooms.unlock.what' : 'rooms.lock.what', { name: room.name }),
          onclick: () => this.#lock(room),
        }),
        h('button', {
          type: 'button', class: 'quiet', text: t('library.delete'),
          'aria-label': t('library.delete.what', { name: room.name }), onclick: () => this.#delete(room),
        })));
  }

  #lock({ id, is_locked: locked }) {
    return this.#trying(async () => this.#rooms.set(id, await changeRoom(id, { is_locked: !locked })));
  }

  #delete({ id, name }) {
    if (!confirm(t('rooms.delete.sure', { name }))) return null;
    return this.#trying(async () => {
      await deleteRoom(id);
      this.#rooms.delete(id);
      this.#total -= 1;
    });
  }
}

customElements.define('room-list', RoomList);

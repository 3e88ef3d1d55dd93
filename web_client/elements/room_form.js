// Makes a room: what it is called, who may enter, and what becomes of the sound.

import { h, show } from '../js/dom.js';
import { createRoom } from '../js/rooms_api.js';
import { t } from '../js/strings.js';

const SHARES = ['public', 'semi-private', 'private'];

/** Events: `made` (detail: the room), `problem` (detail: the error). */
class RoomForm extends HTMLElement {
  #name = h('input', { type: 'text', id: 'room-name', maxlength: 64, autocapitalize: 'none', spellcheck: 'false', pattern: '[a-z0-9]([a-z0-9_\\-]*[a-z0-9])?', title: t('rooms.name.hint'), 'aria-describedby': 'room-name-hint' });
  #share = h('select', { id: 'room-share' }, ...SHARES.map((mode) => h('option', { value: mode, text: t(`rooms.${mode}`) })));
  #keep = h('input', { type: 'checkbox', id: 'room-keep', checked: true });
  #ask = h('input', { type: 'checkbox', id: 'room-ask', checked: true });
  #make = h('button', { class: 'primary', text: t('rooms.create') });

  connectedCallback() {
    if (this.hasChildNodes()) return;
    const asks = h('label', { class: 'check' }, this.#ask, t('rooms.ask'));
    this.#keep.addEventListener('change', () => show(asks, this.#keep.checked));
    // As they would stand in the link, while they are typed.
    this.#name.addEventListener('input', () => (this.#name.value = this.#name.value.toLowerCase().replace(/\s/g, '-')));
    this.append(h('form', { class: 'room-form', onsubmit: (event) => this.#submit(event) },
      h('div', { class: 'field' },
        h('label', { for: 'room-name', text: t('rooms.name') }), this.#name,
        h('p', { class: 'muted hint', id: 'room-name-hint', text: t('rooms.name.hint') })),
      h('div', { class: 'field' }, h('label', { for: 'room-share', text: t('rooms.who') }), this.#share),
      h('div', { class: 'checks' }, h('label', { class: 'check' }, this.#keep, t('rooms.keep')), asks),
      h('div', { class: 'row' }, this.#make)));
  }

  async #submit(event) {
    event.preventDefault();
    this.#make.disabled = true;
    const name = this.#name.value.trim();
    const fields = {
      ...(name ? { name } : {}),
      share_mode: this.#share.value,
      recording_type: this.#keep.checked ? 'local' : 'none',
      skip_consent: !this.#ask.checked,
    };
    try {
      const room = await createRoom(fields);
      this.#name.value = '';
      this.dispatchEvent(new CustomEvent('made', { detail: room }));
    } catch (error) {
      this.dispatchEvent(new CustomEvent('problem', { detail: error }));
    } finally {
      this.#make.disabled = false;
    }
  }
}

customElements.define('room-form', RoomForm);

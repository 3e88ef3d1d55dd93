// The tags of a project: named, added, taken away, each at once.

import { h, show } from '../js/dom.js';
import { addTag, deleteTag, renameTag } from '../js/projects_api.js';
import { t } from '../js/strings.js';

const MAX_CHARS = 100;

/** Events: `changed` (detail: the tags there are now), `problem` (detail: the error). */
class ProjectTags extends HTMLElement {
  #rows = h('ul', { class: 'tag-rows' });
  #none = h('p', { class: 'muted', text: t('tags.none') });
  #new = h('input', { type: 'text', id: 'new-tag', maxlength: MAX_CHARS, required: true, pattern: '.*\\S.*', dir: 'auto', autocomplete: 'off' });
  #add = h('button', { text: t('tags.add') });
  #project = '';
  #tags = [];

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.append(
      h('p', { class: 'muted', text: t('tags.what') }), this.#none, this.#rows,
      h('form', { class: 'one-line', onsubmit: (event) => this.#submit(event) },
        h('div', { class: 'field' }, h('label', { for: 'new-tag', text: t('tags.new') }), this.#new), this.#add));
  }

  show({ id, tags }) {
    this.#project = id;
    this.#tags = tags;
    show(this.#none, tags.length === 0);
    this.#rows.replaceChildren(...tags.map((tag) => this.#row(tag)));
  }

  #row(tag) {
    const name = h('input', {
      type: 'text', maxlength: MAX_CHARS, value: tag.text, dir: 'auto', autocomplete: 'off',
      onchange: () => this.#rename(tag, name, label),
      onkeydown: (event) => event.key === 'Enter' && this.#rename(tag, name, label),
    });
    const gone = h('button', { type: 'button', class: 'quiet', text: t('library.delete'), onclick: () => this.#delete(tag) });
    const label = () => {
      name.setAttribute('aria-label', t('tags.name', { name: tag.text }));
      gone.setAttribute('aria-label', t('tags.delete', { name: tag.text }));
    };
    label();
    return h('li', { 'data-id': tag.id }, name, gone);
  }

  async #submit(event) {
    event.preventDefault();
    this.#add.disabled = true;
    const added = await this.#trying(async () => {
      const tag = await addTag(this.#project, this.#new.value.trim());
      this.show({ id: this.#project, tags: [...this.#tags, tag] });
    });
    this.#add.disabled = false;
    if (added) this.#new.value = '';
    this.#new.focus();
  }

  /** The row stays as it is, with the focus that is in it. */
  async #rename(tag, input, label) {
    const text = input.value.trim();
    if (text && text !== tag.text) {
      await this.#trying(async () => {
        tag.text = (await renameTag(this.#project, tag.id, text)).text;
        label();
      });
    }
    input.value = tag.text;
  }

  #delete(tag) {
    if (!confirm(t('tags.delete.sure', { name: tag.text }))) return null;
    return this.#trying(async () => {
      await deleteTag(this.#project, tag.id);
      this.show({ id: this.#project, tags: this.#tags.filter((each) => each.id !== tag.id) });
      this.#new.focus();
    });
  }

  /** Whether it was done. */
  async #trying(action) {
    try {
      await action();
    } catch (error) {
      this.dispatchEvent(new CustomEvent('problem', { detail: error }));
      return false;
    }
    this.dispatchEvent(new CustomEvent('changed', { detail: this.#tags }));
    return true;
  }
}

customElements.define('project-tags', ProjectTags);

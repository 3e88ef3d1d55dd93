// Makes a project: what it is called, and what is spoken in it. The rest is set on its own page.

import { languageChoice } from './language_choice.js';
import { h } from '../js/dom.js';
import { createProject } from '../js/projects_api.js';
import { language, t } from '../js/strings.js';

/** Events: `made` (detail: the project), `problem` (detail: the error). */
class ProjectForm extends HTMLElement {
  #name = h('input', { type: 'text', id: 'project-name', maxlength: 200, required: true, pattern: '.*\\S.*', dir: 'auto', autocomplete: 'off' });
  #language = languageChoice('project-language', language).select;
  #make = h('button', { class: 'primary', text: t('projects.create') });

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.append(h('form', { class: 'room-form', onsubmit: (event) => this.#submit(event) },
      h('div', { class: 'field' }, h('label', { for: 'project-name', text: t('projects.name') }), this.#name),
      h('div', { class: 'field' }, h('label', { for: 'project-language', text: t('projects.language') }), this.#language),
      h('div', { class: 'row' }, this.#make)));
  }

  async #submit(event) {
    event.preventDefault();
    this.#make.disabled = true;
    try {
      const project = await createProject({ name: this.#name.value.trim(), language: this.#language.value });
      this.#name.value = '';
      this.dispatchEvent(new CustomEvent('made', { detail: project }));
    } catch (error) {
      this.dispatchEvent(new CustomEvent('problem', { detail: error }));
    } finally {
      this.#make.disabled = false;
    }
  }
}

customElements.define('project-form', ProjectForm);

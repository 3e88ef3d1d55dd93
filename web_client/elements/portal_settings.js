// What a host sets of a project: its name, its language, and what participants read and are asked.

import { languageChoice } from './language_choice.js';
import { h, show } from '../js/dom.js';
import { changeProject } from '../js/projects_api.js';
import { t } from '../js/strings.js';

const LINE_MAX = 200;
const TEXT_MAX = 4000;
const TERMS_MAX = 200;
const TERM_MAX = 100;
const DAYS_MAX = 36_500;
const WEB = 'https?://[^\\s]+';

const line = (id, more = {}) => h('input', { type: 'text', id: `set-${id}`, maxlength: LINE_MAX, dir: 'auto', autocomplete: 'off', ...more });
const text = (id, more = {}) => h('textarea', { id: `set-${id}`, maxlength: TEXT_MAX, rows: 4, dir: 'auto', ...more });
const check = (id) => h('input', { type: 'checkbox', id: `set-${id}` });
const address = (id) => line(id, { type: 'url', maxlength: 2000, dir: 'ltr', pattern: WEB, title: t('portal-settings.address.hint') });

const termsOf = (value) => value.split(/[\n,]/).map((term) => term.trim()).filter(Boolean);

/** Events: `saved` (detail: the project), `problem` (detail: the error). */
class PortalSettings extends HTMLElement {
  #language = languageChoice('set-language', 'en');
  #terms = text('terms', { maxlength: TERMS_MAX * (TERM_MAX + 2), 'aria-describedby': 'set-terms-hint' });
  /** By what the server calls them. Those that it does not know are not shown. */
  #fields = {
    name: line('name', { required: true, pattern: '.*\\S.*' }),
    language: this.#language.select,
    is_open: check('open'),
    title: line('title', { 'aria-describedby': 'set-title-hint' }),
    welcome_text: text('welcome'),
    finish_text: text('finish'),
    ask_for_name: check('ask-name'),
    name_label: line('name-label'),
    ask_for_email: check('ask-email'),
    key_terms: this.#terms,
    redacts: check('redacts'),
    report_enabled: check('report'),
    notifications_enabled: check('notify'),
    retention_days: h('input', { type: 'number', id: 'set-retention', min: 0, max: DAYS_MAX, step: 1, required: true, inputmode: 'numeric', 'aria-describedby': 'set-retention-hint' }),
    organiser_name: line('organiser'),
    legal_basis: line('basis'),
    privacy_policy_url: address('privacy'),
    logo_url: address('logo'),
  };

  #said = h('span', { class: 'muted', role: 'status' });
  #save = h('button', { class: 'primary', text: t('portal-settings.save') });
  #parts = new Map(); // name -> what is shown or not
  #project = null;

  connectedCallback() {
    if (this.hasChildNodes()) return;
    const group = (key, ...children) => h('fieldset', {}, h('legend', { text: t(key) }), h('div', { class: 'settings-fields' }, ...children));
    this.#terms.addEventListener('input', () => this.#checkTerms());
    this.append(h('form', { class: 'settings', oninput: () => (this.#said.textContent = t('portal-settings.unsaved')), onsubmit: (event) => this.#submit(event) },
      h('div', { class: 'settings-fields' },
        this.#field('name', 'projects.name'), this.#field('language', 'projects.language'), this.#check('is_open', 'portal-settings.open')),
      group('project.portal',
        this.#field('title', 'portal-settings.heading', true), this.#field('welcome_text', 'portal-settings.welcome'), this.#field('finish_text', 'portal-settings.finish')),
      group('portal-settings.asks',
        this.#check('ask_for_name', 'portal-settings.ask-name'), this.#field('name_label', 'portal-settings.name-label'), this.#check('ask_for_email', 'portal-settings.ask-email')),
      group('portal-settings.keep',
        this.#field('key_terms', 'portal-settings.terms', true), this.#check('redacts', 'portal-settings.redacts'),
        this.#check('report_enabled', 'portal-settings.report'), this.#check('notifications_enabled', 'portal-settings.notify'),
        this.#field('retention_days', 'portal-settings.retention', true)),
      group('portal-settings.who',
        this.#field('organiser_name', 'portal-settings.organiser'), this.#field('legal_basis', 'portal-settings.basis'),
        this.#field('privacy_policy_url', 'portal-settings.privacy'), this.#field('logo_url', 'portal-settings.logo')),
      h('div', { class: 'row' }, this.#save, this.#said)));
  }

  #field(name, key, hinted = false) {
    const input = this.#fields[name];
    const part = h('div', { class: 'field' }, h('label', { for: input.id, text: t(key) }), input,
      hinted ? h('p', { class: 'muted hint', id: `${input.id}-hint`, text: t(`${key}.hint`) }) : null);
    this.#parts.set(name, part);
    return part;
  }

  #check(name, key) {
    const part = h('label', { class: 'check' }, this.#fields[name], t(key));
    this.#parts.set(name, part);
    return part;
  }

  show(project) {
    this.#project = project;
    for (const [name, input] of Object.entries(this.#fields)) {
      show(this.#parts.get(name), name in project);
      input.disabled = !(name in project); // what is not shown is not checked either
      if (input.disabled) continue;
      if (name === 'key_terms') input.value = project.key_terms.join('\n');
      else if (name === 'language') this.#language.choose(project.language);
      else if (input.type === 'checkbox') input.checked = project[name];
      else input.value = project[name];
    }
    this.#said.textContent = '';
  }

  #checkTerms() {
    const terms = termsOf(this.#terms.value);
    const long = terms.find((term) => [...term].length > TERM_MAX);
    const many = terms.length > TERMS_MAX ? t('portal-settings.terms.many', { max: TERMS_MAX }) : '';
    this.#terms.setCustomValidity(long ? t('portal-settings.terms.long', { max: TERM_MAX, term: long.slice(0, 40) }) : many);
  }

  /** Only what is another now: somebody else may have changed the rest. */
  #changes() {
    const fields = {};
    for (const [name, input] of Object.entries(this.#fields)) {
      if (input.disabled) continue;
      let value = input.value.trim();
      if (name === 'key_terms') value = termsOf(input.value);
      else if (input.type === 'checkbox') value = input.checked;
      else if (input.type === 'number') value = input.valueAsNumber;
      if (JSON.stringify(value) !== JSON.stringify(this.#project[name])) fields[name] = value;
    }
    return fields;
  }

  async #submit(event) {
    event.preventDefault();
    this.#save.disabled = true;
    try {
      const project = await changeProject(this.#project.id, this.#changes());
      this.show(project);
      this.#said.textContent = t('portal-settings.saved');
      this.dispatchEvent(new CustomEvent('saved', { detail: project }));
    } catch (error) {
      this.dispatchEvent(new CustomEvent('problem', { detail: error }));
    } finally {
      this.#save.disabled = false;
    }
  }
}

customElements.define('portal-settings', PortalSettings);

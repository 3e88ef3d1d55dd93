// Which recogniser listens, honestly; and one button to fetch a better one. Nothing is fetched unasked.

import { engine, models, pullModel } from '../js/api.js';
import { betterModel } from '../js/better_model.js';
import { h, show } from '../js/dom.js';
import { size } from '../js/format.js';
import { t } from '../js/strings.js';

const POLL_MS = 1000;
const STARTING_POLL_MS = 3000;
const EMBEDDED = 'pocketsphinx';

/** Events: `told` (detail: what the server says of its recogniser). */
class EngineNotice extends HTMLElement {
  #timer = 0;

  connectedCallback() {
    if (!this.hasAttribute('story')) this.refresh();
  }

  disconnectedCallback() {
    clearTimeout(this.#timer);
  }

  /** Ask the server and show what it says; stays empty when it does not answer, the state line says that already. */
  async refresh() {
    try {
      const status = await engine();
      const catalogue = status.notice ? await models().catch(() => null) : null;
      this.render(status, catalogue);
      this.dispatchEvent(new CustomEvent('told', { detail: status }));
      if (status.state === 'starting') this.#again(STARTING_POLL_MS);
    } catch {
      show(this, false);
    }
  }

  #again(ms) {
    clearTimeout(this.#timer);
    if (this.hasAttribute('story')) return;
    this.#timer = setTimeout(() => this.isConnected && this.refresh(), ms);
  }

  render(status, catalogue) {
    show(this, true);
    this.dataset.tone = status.state === 'degraded' ? 'warn' : 'calm';
    const pull = catalogue?.pull;
    const parts = [h('p', { text: this.#sentence(status), title: status.notice || status.reason || false })];
    // That the embedded one is a modest one is said above, in the reader's language.
    if (status.notice && status.engine !== EMBEDDED) parts.push(h('p', { class: 'engine-failed', role: 'status', text: status.notice }));
    if (pull?.state === 'pulling') parts.push(...this.#progress(pull));
    else if (pull?.state === 'done' && status.notice) {
      parts.push(h('p', { role: 'status', text: t('engine.pulled', { name: pull.model }) }));
      this.#again(STARTING_POLL_MS); // until it is in use
    } else parts.push(...this.#offer(status, catalogue));
    this.replaceChildren(...parts);
  }

  #sentence(status) {
    if (status.state === 'starting') return t('engine.starting');
    if (status.state === 'degraded') return t('engine.degraded');
    return status.engine === EMBEDDED ? t('engine.basic') : t('engine.using', { name: status.model || status.engine });
  }

  #offer(status, catalogue) {
    const better = status.notice && catalogue ? betterModel(status.notice, catalogue.items ?? []) : null;
    if (!better) return [];
    const label = better.sizeBytes ? t('engine.get.size', { size: size(better.sizeBytes) }) : t('engine.get');
    const failed = catalogue.pull?.state === 'failed' && t('engine.failed', { message: catalogue.pull.message });
    return [
      failed ? h('p', { class: 'engine-failed', role: 'alert', text: failed }) : null,
      h('button', { class: 'link', type: 'button', text: label, title: better.name, onclick: () => this.#pull(better.name) }),
    ].filter(Boolean);
  }

  #progress({ model, done_bytes: done = 0, total_bytes: total = 0 }) {
    const percent = total ? Math.floor((done / total) * 100) : 0;
    const text = total && done >= total ? t('engine.checking', { name: model }) : t('engine.pulling', { name: model, percent });
    this.#again(POLL_MS);
    return [
      h('p', { text, role: 'status' }),
      h('progress', { max: 100, value: total ? percent : false, 'aria-label': text }),
    ];
  }

  async #pull(name) {
    try {
      await pullModel(name);
    } catch (error) {
      this.append(h('p', { class: 'engine-failed', role: 'alert', text: t('engine.failed', { message: error.message }) }));
      return;
    }
    this.#again(0);
  }
}

customElements.define('engine-notice', EngineNotice);

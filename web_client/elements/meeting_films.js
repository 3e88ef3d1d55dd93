// The cameras and screens that were shown in a meeting, each a film that is fetched when somebody wants to see it.

import { get } from '../js/api.js';
import { h } from '../js/dom.js';
import { clock } from '../js/format.js';
import { t } from '../js/strings.js';

/** An address of this server's, whatever name it believes to have. */
const here = (url) => {
  const { pathname, search } = new URL(url);
  return pathname + search;
};

class MeetingFilms extends HTMLElement {
  #list = h('ul', { class: 'films' });
  #film = h('div', { class: 'film' });
  #told = h('p', { class: 'muted', role: 'status' });

  connectedCallback() {
    if (!this.hasChildNodes()) this.append(this.#list, this.#told, this.#film);
  }

  disconnectedCallback() {
    this.#film.replaceChildren();
  }

  /** Of the recording; `called`: participants' names by their ids. The newest addresses, as they expire. */
  async load(recordingId, called) {
    this.#told.textContent = t('meeting.films.wait');
    const parts = await this.#parts(recordingId).catch(() => null);
    this.#told.textContent = parts === null ? t('meeting.films.failed') : parts.length ? '' : t('meeting.films.none');
    this.#list.replaceChildren(...(parts ?? []).map((part) => this.#part(part, called)));
  }

  async #parts(recordingId) {
    const { data } = await get(`/api/v1/video_separate/${encodeURIComponent(recordingId)}/`, { ask: false });
    return data.download_url ? get(here(data.download_url), { ask: false, slow: true }) : [];
  }

  #part({ type, download_url: url, participant, start_timestamp: { relative: from }, duration }, called) {
    const name = called.get(participant.id) ?? participant.name ?? t('meeting.unnamed', { id: participant.id });
    return h('li', {}, h('button', { type: 'button', class: 'moment', onclick: () => this.#show(here(url), name) },
      h('span', { class: 'moment-time', text: clock(from) }),
      h('span', { class: 'moment-text' },
        h('b', { dir: 'auto', text: name }),
        h('span', { class: 'what', text: `${t(`meeting.film.${type}`)} · ${t('talk.turn', { from: clock(from), to: clock(from + duration) })}` }))));
  }

  #show(src, name) {
    const video = h('video', { controls: true, preload: 'auto', src, 'aria-label': name });
    this.#told.textContent = t('meeting.films.made');
    video.addEventListener('loadeddata', () => {
      this.#told.textContent = '';
      video.scrollIntoView({ block: 'nearest' });
    });
    video.addEventListener('error', () => {
      this.#told.textContent = t('meeting.films.failed');
      video.remove();
    });
    this.#film.replaceChildren(video);
    video.play().catch(() => {}); // whoever may not hear it yet presses play
  }
}

customElements.define('meeting-films', MeetingFilms);

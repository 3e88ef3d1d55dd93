// The transcript and its sound as files.

import { exportPath, soundPath, zipPath } from '../js/api.js';
import { h, icon, ICONS } from '../js/dom.js';
import { problemOf } from '../js/problem.js';
import { saveFile } from '../js/save_file.js';
import { t } from '../js/strings.js';

const FORMATS = ['txt', 'text-timestamped', 'srt', 'vtt', 'json'];
const SOUNDS = ['ogg', 'mp3', 'original']; // besides WAV, which there is of every track
const TRACKS = 8; // of more, a list of links would be no help

/** Events: `problem` (detail: for a problem-note) when a file could not be fetched. */
class DownloadLinks extends HTMLElement {
  /** `tracks` and `mix` as the transcript has them; without them there is sound of one. No tracks: there is no sound. */
  show(transcriptId, tracks = [{}], mix = null) {
    const link = (path, format, text = t(`download.${format}`)) =>
      h('a', {
        href: path,
        download: true, // named by the server, as the transcript is
        'data-format': format,
        onclick: (event) => this.#save(event, path),
      }, h('span', { dir: 'auto', text }));
    const whole = mix ? [{ formats: mix.formats }] : [];
    const sounds = [...whole, ...tracks.slice(0, TRACKS)].flatMap(({ id, speaker, name, formats = [] }) =>
      ['wav', ...SOUNDS.filter((format) => formats.includes(format))].map((format) => {
        const who = id && tracks.length > 1 ? speaker || name : '';
        const path = soundPath(transcriptId, { track: id, format: format === 'wav' ? '' : format });
        return link(path, format, who ? t('download.of', { what: t(`download.${format}`), who }) : undefined);
      }));
    this.replaceChildren(
      h('span', { class: 'downloads-title' }, icon(...ICONS.download), t('download')),
      ...FORMATS.map((format) => link(exportPath(transcriptId, format), format)),
      ...sounds,
      link(zipPath(transcriptId), 'zip'),
    );
  }

  async #save(event, path) {
    try {
      await saveFile(event, path);
    } catch (error) {
      const lacking = { key: 'problem.other', values: { message: error.message } }; // one file, not the transcript
      this.dispatchEvent(new CustomEvent('problem', { detail: error.code === 'NOT_FOUND' ? lacking : problemOf(error) }));
    }
  }
}

customElements.define('download-links', DownloadLinks);

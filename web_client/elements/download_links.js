// The transcript and its sound as files.

import { download, exportPath, soundPath } from '../js/api.js';
import { h, icon, ICONS } from '../js/dom.js';
import { t } from '../js/strings.js';
import { token } from '../js/token.js';

const FORMATS = ['txt', 'srt', 'vtt', 'json'];

class DownloadLinks extends HTMLElement {
  show(transcriptId) {
    const link = (path, format) =>
      h('a', {
        href: path,
        download: true, // named by the server, as the transcript is
        'data-format': format,
        onclick: (event) => this.#withToken(event, path),
      }, h('span', { text: t(`download.${format}`) }));
    this.replaceChildren(
      h('span', { class: 'downloads-title' }, icon(...ICONS.download), t('download')),
      ...FORMATS.map((format) => link(exportPath(transcriptId, format), format)),
      link(soundPath(transcriptId), 'wav'),
    );
  }

  /** A link carries no header, so behind a token the file is fetched first. */
  async #withToken(event, path) {
    if (!token()) return;
    event.preventDefault();
    const { url, name } = await download(path);
    h('a', { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }
}

customElements.define('download-links', DownloadLinks);

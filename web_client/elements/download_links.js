// The transcript and its sound as files.

import { audioPath, exportPath, loadable } from '../js/api.js';
import { h, icon, ICONS } from '../js/dom.js';
import { t } from '../js/strings.js';
import { token } from '../js/token.js';

const FORMATS = ['txt', 'srt', 'vtt', 'json'];

class DownloadLinks extends HTMLElement {
  show(transcriptId) {
    const link = (path, format) =>
      h('a', {
        href: path,
        download: `transcript-${transcriptId}.${format}`,
        'data-format': format,
        onclick: (event) => this.#withToken(event, path),
      }, h('span', { text: t(`download.${format}`) }));
    this.replaceChildren(
      h('span', { class: 'downloads-title' }, icon(...ICONS.download), t('download')),
      ...FORMATS.map((format) => link(exportPath(transcriptId, format), format)),
      link(audioPath(transcriptId), 'wav'),
    );
  }

  /** A link carries no header, so behind a token the file is fetched first. */
  async #withToken(event, path) {
    if (!token()) return;
    event.preventDefault();
    const name = event.currentTarget.getAttribute('download');
    const url = await loadable(path);
    h('a', { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }
}

customElements.define('download-links', DownloadLinks);

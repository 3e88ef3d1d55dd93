// All conversations of a project as one file.

import { h, icon, ICONS } from '../js/dom.js';
import { documentsPath, spreadsheetPath, tablePath } from '../js/projects_api.js';
import { saveFile } from '../js/save_file.js';
import { t } from '../js/strings.js';

const FORMS = { zip: documentsPath, csv: tablePath, xlsx: spreadsheetPath };

/** Events: `problem` (detail: the error) when a file could not be fetched. */
class ProjectExports extends HTMLElement {
  set project(id) {
    this.replaceChildren(
      h('span', { class: 'downloads-title' }, icon(...ICONS.download), t('exports')),
      ...Object.entries(FORMS).map(([form, pathOf]) => h('a', {
        href: pathOf(id), download: true, 'data-form': form, text: t(`exports.${form}`),
        onclick: (event) => this.#save(event, pathOf(id)),
      })));
  }

  async #save(event, path) {
    try {
      await saveFile(event, path);
    } catch (error) {
      this.dispatchEvent(new CustomEvent('problem', { detail: error }));
    }
  }
}

customElements.define('project-exports', ProjectExports);

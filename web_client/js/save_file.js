// Saves a file of the server. A link carries no header, so behind a token the file is fetched first.

import { download } from './api.js';
import { h } from './dom.js';
import { token } from './token.js';

/** For the click on a link to `path`, which does it by itself where there is no token. Raises ApiError. */
export async function saveFile(event, path) {
  if (!token()) return;
  event.preventDefault();
  const { url, name } = await download(path);
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

// What went wrong on the page of a project, where it has a better sentence for it than other pages.

import { problemOf } from './problem.js';
import { StorageError } from './portal_store.js';

const OF_SERVER = {
  FORBIDDEN: 'problem.portal.closed',
  NOT_FOUND: 'problem.portal.missing',
};
const OF_MICROPHONE = { missing: 'problem.portal.microphone', gone: 'problem.portal.unplugged' };

/** `{key, fallback, values}` for a problem-note. `begun`: the conversation is there, and it is about sending it. */
export function portalProblemOf(error, { begun = false } = {}) {
  if (error instanceof StorageError) return { key: `problem.storage.${error.reason}`, values: { message: String(error.cause) } };
  if (OF_MICROPHONE[error?.reason]) return { key: OF_MICROPHONE[error.reason] };
  const values = { message: String(error?.message ?? error) };
  if (begun && error?.status) return { key: error.status === 404 ? 'problem.portal.gone' : 'problem.portal.refused', values };
  return OF_SERVER[error?.code] ? { key: OF_SERVER[error.code], values } : problemOf(error);
}

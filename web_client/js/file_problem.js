// What went wrong with a file or a job, where its page has a better sentence for it than other pages.

import { problemOf } from './problem.js';

const ANYWHERE = {
  NOT_FOUND: 'problem.files.missing',
  TOO_LARGE: 'problem.files.large',
  BAD_REQUEST: 'problem.files.invalid',
  VALIDATION_ERROR: 'problem.files.invalid',
  AUDIO_FORMAT_ERROR: 'problem.files.soundless',
  UNSUPPORTED_MEDIA_TYPE: 'problem.files.soundless',
};
const DOING = {
  begin: { CONFLICT: 'problem.files.model', BAD_REQUEST: 'problem.files.soundless', NOT_FOUND: 'problem.files.model' },
  fetch: { CONFLICT: 'problem.files.fetching' },
  again: { CONFLICT: 'problem.files.again', BAD_REQUEST: 'problem.files.again', TOO_LARGE: 'problem.files.again' },
};

/** `{key, fallback, values}` for a problem-note. `doing`: what was tried, one of `begin`, `fetch`, `again`. */
export function fileProblemOf(error, doing = '') {
  const key = DOING[doing]?.[error?.code] ?? ANYWHERE[error?.code];
  return key ? { key, values: { message: String(error.message) } } : problemOf(error);
}

// What went wrong with a project, where its page has a better sentence for it than other pages.

import { problemOf } from './problem.js';

const OF_PROJECTS = {
  NOT_FOUND: 'problem.project.missing',
  VALIDATION_ERROR: 'problem.project.invalid',
  BAD_REQUEST: 'problem.project.invalid',
};

/** `{key, fallback, values}` for a problem-note. */
export function projectProblemOf(error) {
  const key = OF_PROJECTS[error?.code];
  return key ? { key, values: { message: String(error.message) } } : problemOf(error);
}

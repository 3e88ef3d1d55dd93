// What went wrong in a room, where a room has a better sentence for it than other pages.

import { problemOf } from './problem.js';

const OF_ROOMS = {
  NOT_FOUND: 'problem.room.missing',
  TOO_LARGE: 'problem.room.full',
  FORBIDDEN: 'problem.room.locked',
  PROVIDER_UNAVAILABLE: 'problem.room.provider',
  PROVIDER_FAILED: 'problem.room.provider',
};

/** `{key, fallback, values}` for a problem-note. */
export function roomProblemOf(error) {
  if (error?.reason === 'no-path') return { key: 'problem.room.path' };
  const key = OF_ROOMS[error?.code];
  if (!key) return problemOf(error);
  return { key, values: { max: error.details?.max ?? '', message: String(error.message) } };
}

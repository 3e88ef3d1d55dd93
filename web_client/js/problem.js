// Which sentence explains an error. The sentences, each with what to do, are in i18n under `problem.`.

import { ApiError } from './api.js';
import { ConnectionLost } from './connection.js';
import { MicrophoneError } from './microphone.js';
import { token } from './token.js';

/** `{key, fallback, values}` for a problem-note. */
export function problemOf(error) {
  if (error instanceof MicrophoneError) return { key: `problem.microphone.${error.reason}` };
  const message = String(error?.message ?? error);
  if (error?.code === 'NOT_AUTHORISED' && !token()) return { key: 'problem.nobody' }; // asked, and gave none
  if (error instanceof ApiError || error instanceof ConnectionLost) {
    return { key: `problem.${error.code}`, fallback: 'problem.other', values: { message } };
  }
  return { key: 'problem.other', values: { message } };
}

// What a transcript is called where it has no name of its own.

import { when } from './format.js';
import { t } from './strings.js';

export const titleOf = (transcript) =>
  transcript.title || transcript.name || transcript.data?.name || t('library.untitled', { when: when(transcript.created_at) });

// The state of a participant's conversation as one sentence, and how serious it is.

import { t } from './strings.js';

/** `{tone, text}` for a state-line. `session` is a PortalSession or the like of it. */
export function portalWords(session) {
  switch (session.phase) {
    case 'opening':
      return { tone: 'busy', text: t('state.opening') };
    case 'recording':
      return session.silent ? { tone: 'warn', text: t('portal.alarm') } : { tone: 'live', text: t('portal.state.recording') };
    case 'paused':
    case 'unfinished':
      return { tone: 'warn', text: t('state.paused') };
    default:
      return { tone: 'calm', text: '' };
  }
}

// The state of a live session as one sentence, and how serious it is. State is never shown without words.

import { tenths } from './format.js';
import { t } from './strings.js';

const NOTABLE_WAITING_S = 2; // less than this is the ordinary distance between sending and acknowledging
const NOTABLE_LAG_MS = 1000; // words that come within a second feel live
const CATCHING_UP_MS = 2000; // more than the distance that any recogniser keeps
const LATE_MS = 5000; // a reader would think that something is wrong

/** `{tone, text, detail}`: tone is `calm | live | busy | warn | bad`. `session` is a LiveSession or the like of it. */
export function stateWords(session, { silent = false } = {}) {
  switch (session.phase) {
    case 'idle':
      return { tone: 'calm', text: t('state.idle') };
    case 'opening':
      return { tone: 'busy', text: t(session.source === 'sample' ? 'state.opening.sample' : 'state.opening') };
    case 'connecting':
      return { tone: 'busy', text: t('state.connecting') };
    case 'lost':
      return lost(session);
    case 'finishing':
      return finishing(session);
    case 'done':
      return { tone: 'calm', text: t('state.done') };
    case 'failed':
      return { tone: 'bad', text: t('state.failed') };
    default:
      return live(session, silent);
  }
}

export function tryingAgain(seconds) {
  return seconds ? t('state.retry', { seconds }) : t('state.retry.now');
}

function lost(session) {
  const sound =
    session.transport === 'websocket' ? t('state.lost.kept', { seconds: Math.round(session.waitingS) }) : t('state.lost.unheard');
  return { tone: 'bad', text: t('state.lost', { again: tryingAgain(session.retryInS) }), detail: sound };
}

function finishing(session) {
  const waiting = session.waitingS >= NOTABLE_WAITING_S;
  const detail = waiting ? t('state.waiting', { seconds: Math.round(session.waitingS) }) : lag(session);
  if (session.listening === 'waiting') {
    return { tone: 'bad', text: t('state.lost', { again: tryingAgain(session.listeningRetryInS) }), detail };
  }
  return { tone: 'busy', text: t('state.finishing'), detail };
}

function lag(session) {
  if (session.lagMs === null) return '';
  return session.lagMs >= NOTABLE_LAG_MS
    ? t('state.behind', { seconds: tenths(session.lagMs / 1000) })
    : t('state.behind.little', { seconds: tenths(session.lagMs / 1000) });
}

function live(session, silent) {
  const detail = [t(`transport.${session.transport}`)];
  if (session.waitingS >= NOTABLE_WAITING_S) detail.push(t('state.waiting', { seconds: Math.round(session.waitingS) }));
  else detail.push(lag(session));
  const rest = { detail: detail.filter(Boolean).join(' · ') };
  if (session.listening === 'waiting') {
    return { tone: 'warn', text: t('state.words.lost', { again: tryingAgain(session.listeningRetryInS) }), ...rest };
  }
  if (session.paused) return { tone: 'warn', text: t('state.paused'), ...rest };
  if (session.engineState === 'degraded') return { tone: 'warn', text: t('state.degraded'), ...rest };
  if (session.muted) return { tone: 'warn', text: t('state.muted'), ...rest };
  // Words of earlier sound still come: then silence is the speaker's, who waits for them.
  const catchingUp = session.waitingS >= NOTABLE_WAITING_S || session.lagMs >= CATCHING_UP_MS;
  if (silent && !catchingUp && session.source === 'microphone') return { tone: 'warn', text: t('state.silent'), ...rest };
  if (session.lagMs >= LATE_MS) return { tone: 'warn', text: t('state.behind.much'), ...rest };
  return { tone: 'live', text: t(session.source === 'sample' ? 'state.live.sample' : 'state.live'), ...rest };
}

// The state of a meeting that we take part in as one sentence, and how serious it is.

import { t } from './strings.js';

/** `{tone, text, detail}` for a state-line. `session` is a RoomSession or the like of it. */
export function roomWords(session, { silent = false } = {}) {
  switch (session.phase) {
    case 'opening':
      return { tone: 'busy', text: t(session.listensOnly ? 'state.connecting' : 'state.opening') };
    case 'connecting':
      return { tone: 'busy', text: t('state.connecting') };
    case 'lost': {
      const again = session.retryInS ? t('state.retry', { seconds: session.retryInS }) : t('state.retry.now');
      return { tone: 'bad', text: t('state.lost', { again }), detail: t('room.state.unheard') };
    }
    case 'live':
      return live(session, silent);
    default:
      return { tone: 'calm', text: '' };
  }
}

function live(session, silent) {
  const others = session.people.filter((person) => person.id !== session.participantId).length;
  const detail = others ? '' : t('room.state.alone');
  if (session.listening === 'waiting') return { tone: 'warn', text: t('room.state.wordless'), detail };
  if (session.listensOnly) return { tone: 'live', text: t('room.state.listening'), detail };
  if (session.muted) return { tone: 'warn', text: t('room.state.muted'), detail };
  if (silent) return { tone: 'warn', text: t('state.silent'), detail };
  return { tone: 'live', text: t('room.state.live'), detail };
}

/** What a participant does now, as people_list has words for it. */
export function doing(person, session, own) {
  if (person.id === session.participantId) {
    if (session.phase !== 'live') return 'connecting';
    if (session.listensOnly) return 'listening';
    if (session.muted) return 'muted';
    return own.speaking ? 'speaking' : 'here';
  }
  if (!person.connected) return 'connecting';
  if (person.muted) return 'muted';
  return session.speaks(person.name) ? 'speaking' : 'here';
}

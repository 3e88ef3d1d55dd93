// How far a conversation is, as a host thinks of it: `going`, `writing`, `done` or `failed`.

export function conversationState({ status, is_finished: isFinished, is_all_chunks_transcribed: isWritten }) {
  if (status === 'failed') return 'failed';
  if (!isFinished) return 'going';
  return isWritten ? 'done' : 'writing';
}

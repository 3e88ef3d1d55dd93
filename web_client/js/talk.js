// Who spoke how much, and when, by the words of finals. Pure. The server counts alike (server/speaker_figures.py).

import { joined, lengthOf, PAUSE_S } from './stretches.js';

/**
 * In the order in which they first spoke: `[{label, name, spoke, talkS, share}]`; `spoke` are stretches in seconds since
 * the first track began on which somebody speaks. `segments`: `transcription.data`.
 */
export function talkOf(segments) {
  const told = segments.filter(({ is_final: final, text, speaker }) => final && text && speaker);
  const began = told.map(({ timestamp, start, words }) => timestamp - (words?.[0]?.start ?? start)); // of its track, by the clock
  const origin = began.reduce((least, each) => Math.min(least, each), Infinity);
  const speakers = new Map();
  told.forEach((segment, number) => {
    const label = segment.speaker_label || segment.speaker;
    if (!speakers.has(label)) speakers.set(label, { label, spoke: [] });
    const one = speakers.get(label);
    one.name = segment.speaker;
    take(one.spoke, segment, Number.isFinite(began[number]) ? began[number] - origin : 0);
  });
  const found = [...speakers.values()].map((one) => ({ ...one, spoke: joined(one.spoke, PAUSE_S) }));
  const all = lengthOf(found.flatMap(({ spoke }) => spoke));
  return found
    .map((one) => ({ ...one, talkS: lengthOf(one.spoke) }))
    .map((one) => ({ ...one, share: all ? one.talkS / all : 0 }))
    .sort((a, b) => a.spoke[0][0] - b.spoke[0][0]);
}

/** A segment's words, as few stretches as they make: there are many words in hours. */
function take(spoke, { words, start, end }, by) {
  for (const word of words?.length ? words : [{ start, end }]) {
    const last = spoke.at(-1);
    const [from, to] = [word.start + by, word.end + by];
    if (last && from >= last[0] && from - last[1] < PAUSE_S) last[1] = Math.max(last[1], to);
    else spoke.push([from, to]);
  }
}

// A stretch of words, some of which are given to another: which there are around what was pressed or selected, and when. Pure.

import { tokensOf } from './line.js';

export const OFFERED_EACH_WAY = 150; // words before and behind an end at which it may be put
const SLACK_S = 0.002; // the server counts to the millisecond, and so do we, each by itself

/**
 * The words of the turns that hold `places`, of one track: `{words, from, to}`. `places`: `{id, at}`, the id of a segment and
 * the number of a word in it, or without `at` all of it. Null where there are none.
 */
export function stretchOf(segments, places) {
  const finals = segments.filter((segment) => segment.is_final);
  const track = finals.find(({ segment_id: id }) => id === places[0]?.id)?.track;
  const mine = finals.filter((segment) => segment.track === track);
  const at = places.map(({ id }) => mine.findIndex((segment) => segment.segment_id === id)).filter((place) => place >= 0);
  if (!at.length) return null;
  let [first, last] = [Math.min(...at), Math.max(...at)];
  while (first > 0 && isOneTurn(mine[first - 1], mine[first])) first -= 1;
  while (last < mine.length - 1 && isOneTurn(mine[last], mine[last + 1])) last += 1;
  const words = mine.slice(first, last + 1).flatMap(wordsOf);
  const chosen = words.flatMap((word, i) =>
    places.some((place) => place.id === word.id && (place.at === undefined || place.at === word.at)) ? [i] : []);
  return chosen.length ? { words, from: chosen[0], to: chosen.at(-1) } : null;
}

const isOneTurn = (one, next) => one.speaker === next.speaker;

function wordsOf(segment) {
  const { segment_id: id, track, speaker: name, speaker_label: label, start: begin, end } = segment;
  const isTimed = Boolean(segment.words?.length);
  return tokensOf(segment).map(({ text, start }, at) => ({
    id, at, track, text, label: label || name, name, start, begin, last: isTimed ? start : end, isTimed,
  }));
}

/** When words `from` to `to` of them begin: `{from, to, track}`, in seconds of the track. One without times goes whole. */
export function timesOf(words, from, to) {
  const [first, last] = [words[from], words[to]];
  return { from: Math.max(0, (first.isTimed ? first.start : first.begin) - SLACK_S), to: last.last + SLACK_S, track: first.track };
}

/** Whose they are now: `[{label, from, to, track}]`, in order. */
export function ownersOf(words, from, to) {
  const owners = [];
  for (let i = from; i <= to; i += 1) {
    const last = owners.at(-1);
    if (last?.label === words[i].label) last.to = i;
    else owners.push({ label: words[i].label, from: i, to: i });
  }
  return owners.map((one) => ({ label: one.label, ...timesOf(words, one.from, one.to) }));
}

/** The words as they are quoted: all of a few, the first and last of many. */
export function quoteOf(words, from, to) {
  const texts = words.slice(from, to + 1).map(({ text }) => text);
  return texts.length > 14 ? `${texts.slice(0, 8).join(' ')} … ${texts.slice(-5).join(' ')}` : texts.join(' ');
}

/** The lowest `Speaker N` that none of `labels` is. */
export function freeLabel(labels) {
  for (let number = 1; ; number += 1) if (!labels.includes(`Speaker ${number}`)) return `Speaker ${number}`;
}

// Who took part in a meeting, and when: of what its bot told (`participant` messages) and of what was said. Pure.

import { joined, PAUSE_S } from './stretches.js';

const TRACK = /^(?:participant-(\d+)|mixed)( \(told\))?$/; // of a participant or of the whole room; told: words without sound
const SURFACES = {
  webcam_on: ['webcam', true], webcam_off: ['webcam', false], screenshare_on: ['screenshare', true], screenshare_off: ['screenshare', false],
};
export const ROOM = 'room'; // in place of a participant's id, where the sound of all of them is one

/**
 * Everybody, in the order in which they came: `[{id, name, came, isHost, isHere, there, spoke, shown, track}]`; `there`, `spoke` and `shown` are
 * stretches in seconds since the recording began, `track` is where their sound is, or null. `acted`: `participant.data`, in any order;
 * `segments`: `transcription.data`; `tracks`: of the transcript; `names`: of speakers, by label; `endS`: so far; `over`: for good.
 */
export function peopleOf(acted, segments, tracks, names, { endS, over }) {
  const people = new Map();
  const person = (id, came = Infinity) => {
    if (!people.has(id)) people.set(id, { id, came, name: '', isHost: false, there: [], said: [], shown: [], track: null, told: null, open: {} });
    return people.get(id);
  };
  for (const { action, participant, start } of [...acted].sort((a, b) => a.start - b.start)) {
    const one = person(participant.id, start);
    one.name = participant.name || one.name;
    one.isHost = participant.is_host ?? one.isHost;
    take(one, action, start);
  }
  const ofTrack = new Map();
  for (const { id, name, speaker, duration } of tracks) {
    const [found, number, told] = TRACK.exec(name ?? '') ?? [];
    if (!found) continue;
    const one = person(number === undefined ? ROOM : Number(number));
    ofTrack.set(id, one);
    if (duration > 0 && !told) one.track = id;
    if (number !== undefined) one.name = names.get(speaker) || one.name || speaker; // as beside the words
  }
  for (const { track, start, end, is_final: final, text } of segments) {
    if (final && text) ofTrack.get(track)?.said.push([start, end]);
  }
  return [...people.values()].map((one) => closed(one, endS, over)).sort((a, b) => (a.came === b.came ? 0 : a.came - b.came));
}

function take(one, action, at) {
  const begin = (what) => (one.open[what] ??= at);
  const end = (what, into) => {
    if (one.open[what] !== undefined) into.push([one.open[what], at]);
    delete one.open[what];
  };
  if (action === 'join') begin('there');
  if (action === 'speech_on') {
    one.told ??= [];
    begin('spoke');
  }
  if ((action === 'speech_off' || action === 'leave') && one.told) end('spoke', one.told);
  if (SURFACES[action]) {
    const [surface, isOn] = SURFACES[action];
    if (isOn) begin(surface);
    else end(surface, one.shown);
  }
  if (action !== 'leave') return;
  end('there', one.there);
  end('webcam', one.shown);
  end('screenshare', one.shown);
}

function closed({ came, told, said, open, ...one }, endS, over) {
  const rest = (what) => (open[what] === undefined ? [] : [[open[what], Math.max(endS, open[what])]]);
  const spoke = told ? joined([...told, ...rest('spoke')], 0) : joined(said, PAUSE_S);
  const there = [...one.there, ...rest('there')];
  return {
    ...one,
    came: Math.min(came, spoke[0]?.[0] ?? Infinity),
    isHere: open.there !== undefined && !over,
    spoke,
    shown: [...one.shown, ...rest('webcam'), ...rest('screenshare')],
    // Of whom nobody says when they came, what was heard does.
    there: there.length || !spoke.length ? there : [[spoke[0][0], spoke.at(-1)[1]]],
  };
}

/** Where somebody is to be heard who is played alone: at `time` if they speak then, else where they next do, else from their beginning. */
export function heardFrom(spoke, time) {
  const [from] = spoke.find(([, to]) => to > time) ?? spoke[0] ?? [time];
  return spoke.some(([, to]) => to > time) ? Math.max(time, from) : from;
}

// What is played of a transcript, and where in it each track begins.

/** Whether a track has sound, and not words alone that somebody typed or told. */
export const sounds = ({ duration, source }) => duration > 0 && source !== 'text';

/**
 * `{track, duration, offsets}`: the mix of all tracks (`track` null), or where there is none the first track that has
 * sound. `offsets` are the seconds after which each track begins in the time that is played.
 */
export function heardOf({ audio_deleted: soundless, data: { tracks = [], mix = null, duration = 0 } }) {
  const [first] = tracks.filter(sounds);
  if (!mix && !soundless) return { track: first?.id ?? null, duration: first?.duration ?? duration, offsets: new Map() };
  const begins = tracks.map(({ id, started_at: at }) => [id, Date.parse(at) / 1000]);
  const origin = Math.min(...begins.map(([, at]) => at));
  return { track: null, duration: mix?.duration ?? duration, offsets: new Map(begins.map(([id, at]) => [id, at - origin])) };
}

/** Tracks with sound, their speakers called as people call them now: those of one name are numbered. */
export function voicesOf({ participants = [], data: { tracks = [] } }) {
  const called = new Map(participants.map(({ speaker, name }) => [speaker, name]));
  const voices = tracks
    .filter(sounds)
    .map((track) => ({ ...track, speaker: called.get(track.speaker) || track.speaker || track.name }));
  return voices.map((voice) => {
    const alike = voices.filter(({ speaker }) => speaker && speaker === voice.speaker);
    return alike.length > 1 ? { ...voice, speaker: `${voice.speaker} ${alike.indexOf(voice) + 1}` } : voice;
  });
}

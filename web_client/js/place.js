// A place in a transcript, as the part of an address behind the `#`: `#t=12.3&track=trk_1`.

export function placeHash({ time, track }) {
  const given = Object.entries({ t: time, track }).filter(([, value]) => value !== null && value !== undefined);
  return given.length ? `#${new URLSearchParams(given)}` : '';
}

/** `{time, track}`, or null when the address names no place. */
export function placeOf(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ''));
  const time = Number.parseFloat(given.get('t'));
  return Number.isFinite(time) && time >= 0 ? { time, track: given.get('track') } : null;
}

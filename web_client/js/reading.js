// Reading with sound: ties a player to the words, and both to the keyboard.

const TYPING = 'input:not([type=range]), textarea, select, [contenteditable]';

/** Words play from where they are pressed; the word being spoken is marked; space plays, arrows go by segment. */
export function tie(words, player) {
  words.playable = true;
  const playFrom = ({ detail }) => player.playFrom(detail.time, detail.track);
  const mark = ({ detail }) => words.mark(detail.playing || detail.time > 0 ? detail.time : null, detail.track);
  const key = (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest(TYPING)) return;
    if (event.key === ' ') {
      if (event.target.closest('button, a, summary')) return; // space presses what has the focus
      player.toggle();
    } else if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
      if (event.target.matches('input[type=range]')) return; // arrows move the seek bar itself
      const start = words.neighbour(player.time, event.key === 'ArrowLeft' ? -1 : 1);
      if (start !== null) player.seek(start);
    } else return;
    event.preventDefault();
  };
  words.addEventListener('play-from', playFrom);
  player.addEventListener('position', mark);
  addEventListener('keydown', key);
  return () => {
    words.removeEventListener('play-from', playFrom);
    player.removeEventListener('position', mark);
    removeEventListener('keydown', key);
    words.mark(null);
    words.playable = false;
  };
}

/** To a moment that was pressed in a picture: the sound goes there, or where there is none (`player` null) the words. */
export function goThere(words, player, time) {
  words.still = true; // the reader stays with the picture
  if (player) player.seek(time);
  else words.goTo(words.segments.findLast(({ start }) => start <= time)?.segment_id ?? words.segments[0]?.segment_id);
}

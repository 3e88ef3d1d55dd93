// The panel of a meeting on the page of its transcript: who took part, what they did, and what is left of it.

import './meeting_strings.js';
import '../elements/meeting_films.js';
import '../elements/meeting_view.js';
import { foldPanel } from '../elements/fold_panel.js';
import { h, show } from './dom.js';
import { heardOf } from './heard.js';
import { heardFrom, peopleOf, ROOM } from './meeting.js';
import { nowAndThen } from './now_and_then.js';
import { goThere } from './reading.js';
import { t } from './strings.js';

const DRAWN_EVERY_MS = 400;
const OVER = new Set(['completed', 'failed']);

const style = h('link', { rel: 'stylesheet', href: '/meeting.css' });
await new Promise((resolve) => {
  for (const event of ['load', 'error']) style.addEventListener(event, resolve);
  document.head.append(style);
});

/**
 * `words` and `player` are those of the page; `acted` is what participants did as far as it is known, and grows; `transcript()` gives it as
 * it was told last, `audible()` whether it can be heard.
 */
export function meetingPanel(id, { words, player, acted, transcript, audible }) {
  const view = document.createElement('meeting-view');
  const films = document.createElement('meeting-films');
  const shown = h('details', { class: 'in-words', hidden: true }, h('summary', { text: t('meeting.films') }), films);
  const everybody = h('button', { type: 'button', text: t('meeting.everybody'), hidden: true, onclick: () => listen(heardOf(transcript())) });
  const panel = foldPanel(t('meeting.title'), view, shown, everybody);
  let called = new Map(); // everybody's names, by id
  let track = null; // that is heard now

  const nameOf = ({ id: number, name }) => name || (number === ROOM ? t('meeting.room') : t('meeting.unnamed', { id: number }));

  function draw() {
    const { participants = [], status, audio_deleted: gone, data: { tracks = [], duration = 0 } } = transcript();
    const names = new Map(participants.map(({ speaker, name }) => [speaker, name]));
    const { segments } = words;
    for (const { speaker, speaker_label: label } of segments) if (label && speaker) names.set(label, speaker); // may be new
    const ends = [...acted.slice(-50).map(({ start }) => start), ...segments.slice(-50).map(({ end }) => end ?? 0)];
    const endS = Math.max(duration, ...ends);
    const over = OVER.has(status);
    const people = peopleOf(acted, segments, tracks, names, { endS, over });
    panel.tell(String(people.filter(({ id: number }) => number !== ROOM).length));
    if (!panel.element.open) return;
    called = new Map(people.map((person) => [person.id, nameOf(person)]));
    view.show({
      people: people.map((person) => ({ ...person, name: called.get(person.id), colour: words.colourOf(person.name) })),
      chats: chatsOf(acted, called), endS, audible: audible(),
    });
    show(shown, over && !gone && people.some((person) => person.shown.length));
    showHeard();
  }

  function showHeard() {
    show(everybody, audible() && track !== null && track !== heardOf(transcript()).track);
  }

  async function listen(sound, time = player.time) {
    await player.load(id, sound);
    player.seek(time);
    await player.play();
  }

  // Every track begins when the recording does, so that a time is the same in all of them.
  view.addEventListener('go', ({ detail }) => {
    goThere(words, audible() ? player : null, detail);
  });
  view.addEventListener('listen', ({ detail: person }) => {
    words.still = true;
    if (person.track === track) player.toggle();
    else listen({ track: person.track, duration: durationOf(transcript(), person.track) }, heardFrom(person.spoke, player.time));
  });
  player.addEventListener('position', ({ detail }) => {
    view.heard = detail;
    if (detail.track === track) return;
    track = detail.track;
    showHeard();
  });
  // Whoever looks at the picture is not taken away from it by the words that are heard.
  new IntersectionObserver(([{ isIntersecting }]) => isIntersecting || (words.still = false)).observe(view);
  shown.addEventListener('toggle', () => shown.open && films.load(id, called));
  panel.element.addEventListener('toggle', draw);
  panel.element.open = true;
  return { element: panel.element, draw: nowAndThen(draw, DRAWN_EVERY_MS) };
}

const durationOf = ({ data: { tracks = [] } }, track) => tracks.find(({ id }) => id === track)?.duration;

const chatsOf = (acted, called) =>
  acted.map((each, number) => ({ ...each, number }))
    .filter(({ action }) => action === 'chat_message')
    .map(({ number, start, participant, text, to }) => ({ number, start, id: participant.id, name: called.get(participant.id), text, to }))
    .sort((a, b) => a.start - b.start);

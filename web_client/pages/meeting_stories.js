// The view of a meeting in every state, for the page of stories.

import '../elements/meeting_view.js';

const HOSTILE = `<img src=x onerror="window.hurt=1">${'x'.repeat(90)}`;

const person = (id, name, more = {}) => ({
  id, name, colour: id % 9, isHost: false, isHere: false, there: [[id, 60]], spoke: [[id + 1, id + 4]], shown: [], track: `trk_${id}`, ...more,
});

const few = [
  person(1, 'Anna Bergström', { isHost: true, shown: [[5, 30]] }), person(2, HOSTILE), person(3, 'دانا', { spoke: [[8, 8.1], [20, 31]] }),
  person(4, 'Participant 4', { colour: 0, spoke: [], track: null }), person(5, '👩‍👩‍👧 Familie', { there: [[5, 9], [30, 58]] }),
];
const chats = [
  { number: 0, id: 1, name: 'Anna Bergström', start: 4, text: 'The agenda:\n1. money', to: 'everyone' },
  { number: 1, id: 2, name: HOSTILE, start: 12, text: HOSTILE, to: 'only_bot' },
  { number: 2, id: 3, name: 'دانا', start: 13, text: 'شكرا لكم', to: HOSTILE },
];
const HOURS_S = 5 * 3600;
const crowd = Array.from({ length: 100 }, (_, id) => person(id + 1, `Person ${id + 1}`, {
  there: [[id * 30, HOURS_S]], spoke: Array.from({ length: 100 }, (_, turn) => [turn * 170 + id * 2, turn * 170 + id * 2 + 5]),
}));
const many = Array.from({ length: 450 }, (_, number) => ({ number, id: 1 + (number % 100), name: `Person ${1 + (number % 100)}`, start: number * 40, text: `message ${number}`, to: 'everyone' }));

/** `story(name, element)` shows one. */
export function meetingStories(story) {
  const told = (name, shown, heard = null) => {
    const view = document.createElement('meeting-view');
    story(`meeting ${name}`, view);
    view.show(shown);
    if (heard) view.heard = heard;
    return view;
  };
  told('now', { people: few.map((one) => ({ ...one, isHere: true })), chats: [], endS: 60, audible: false });
  told('over', { people: few, chats, endS: 60, audible: true }, { time: 21, track: 'trk_3', playing: true }).querySelector('details').open = true;
  told('of nobody', { people: [], chats: [], endS: 0, audible: false });
  told('of a hundred and of hours', { people: crowd, chats: many, endS: HOURS_S, audible: true });
}

// Who spoke how much, in every state, for the page of stories.

import '../elements/talk_view.js';

const HOSTILE = `<img src=x onerror="window.hurt=1">${'x'.repeat(90)}`;

const figures = (speaker, more = {}) => ({
  speaker, talk_time: 72.4, turns: 12, longest_turn: 31, words: 180, words_per_minute: 149.2, interruptions: null, interrupted: null, ...more,
});
const speaker = (number, name, spoke, share) => ({ label: `Speaker ${number}`, name, colour: ((number - 1) % 8) + 1, spoke, talkS: share * 100, share });

const two = [speaker(1, 'Anna Bergström', [[0, 12], [20, 55]], 0.97), speaker(2, HOSTILE, [[12.5, 14]], 0.03)];
const many = Array.from({ length: 12 }, (_, at) =>
  speaker(at + 1, at % 3 ? `Speaker ${at + 1}` : 'دانا', Array.from({ length: 50 }, (_, turn) => [turn * 300 + at * 20, turn * 300 + at * 20 + 15]), 1 / 12));

/** `story(name, element)` shows one. */
export function talkStories(story) {
  const told = (name, shown, found) => {
    const view = document.createElement('talk-view');
    story(`talk ${name}`, view);
    view.show(shown);
    if (found === undefined) return;
    view.figures = found;
    for (const each of view.querySelectorAll('details')) each.open = true;
  };
  told('of two', { speakers: two, endS: 60, audible: true }, { speakers: [figures('Anna Bergström'), figures(HOSTILE, { words_per_minute: null })] });
  told('on tracks of their own', { speakers: many, endS: 15_000, audible: false },
    { speakers: many.map(({ name }, at) => figures(name, { interruptions: at, interrupted: at === 3 ? null : 1 })) });
  told('uncounted', { speakers: two, endS: 60, audible: false }, null);
}

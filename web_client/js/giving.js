// Words given to another on the page of a transcript: what was pressed or selected, whose it is, and back again.

import '../elements/who_said.js';
import { assignWords, getTranscript, participantsOf, removeParticipant, addParticipant } from './api.js';
import { h, icon, ICONS, show } from './dom.js';
import { t } from './strings.js';
import { freeLabel, ownersOf, quoteOf, stretchOf, timesOf } from './word_stretch.js';

const LINGER_MS = 400; // a tap on the button takes the selection away first
const UNDONE_MAX = 30; // changes that are taken back one by one

/**
 * `words` is the page's; `people()` are those who speak, `[{label, name}]`; `change(action)` does it and shows what the
 * server says, and whether it worked; `done` says so. Returns the elements to put on the page, and `allow(is)`.
 */
export function giving(id, { words, people, change, done }) {
  const form = document.createElement('who-said');
  const pick = h('button', { type: 'button', class: 'primary', onclick: () => ask(words.selected(range)) },
    icon(...ICONS.who), t('give.selected'));
  let range = null;
  let timer = 0;
  let isAllowed = false;

  function looked() {
    const found = isAllowed ? words.selection() : null;
    clearTimeout(timer);
    if (found) {
      range = found;
      show(pick, true);
    } else timer = setTimeout(() => show(pick, false), LINGER_MS);
  }

  async function ask(places) {
    const stretch = stretchOf(words.segments, places);
    if (!stretch) return;
    show(pick, false);
    const own = new Set(stretch.words.slice(stretch.from, stretch.to + 1).map(({ label }) => label));
    const known = people();
    const offered = known.map(({ label, name }) => ({ value: label, name }));
    const others = known.filter(({ label }) => !own.has(label));
    const answer = await form.ask(stretch, offered, others.length === 1 || known.length > 2 ? others[0]?.label : undefined);
    if (answer) await give(stretch.words, answer, known);
  }

  async function give(all, { from, to, who, name }, known) {
    getSelection().removeAllRanges();
    const owners = ownersOf(all, from, to);
    const begins = await beginsOf(id);
    const whole = shifted(timesOf(all, from, to), begins, words.offsets);
    let participant = null;
    const worked = await change(async () => {
      participant = name ? await addParticipant(id, name) : null;
      const labels = known.map(({ label }) => label);
      const taken = who ? [] : [...labels, ...(await participantsOf(id)).map(({ speaker }) => speaker)];
      await assignWords(id, participant ? { participant: participant.id } : { speaker: who || freeLabel(taken) }, whole);
    });
    if (!worked) return;
    const called = name || known.find(({ label }) => label === who)?.name || t('give.somebody');
    const before = owners.map((one) => ({ ...one, ...shifted(one, begins, words.offsets) }));
    const undoing = before.length <= UNDONE_MAX ? () => takeBack(before, participant) : null;
    done.tell(t('give.done', { words: quoteOf(all, from, to), name: called }), undoing);
  }

  async function takeBack(owners, participant) {
    const worked = await change(async () => {
      for (const { label, ...stretch } of owners) await assignWords(id, { speaker: label }, stretch);
      if (participant) await removeParticipant(id, participant.id);
    });
    if (worked) done.tell(t('give.undone'));
  }

  document.addEventListener('selectionchange', looked);
  words.addEventListener('who-said', ({ detail }) => ask([{ id: detail }]));
  show(pick, false);
  return {
    pick,
    form,
    allow(is) {
      isAllowed = is;
      words.editable = is;
      if (!is) show(pick, false);
    },
  };
}

/** By track: how many seconds after the first one it began. */
async function beginsOf(id) {
  const { data } = await getTranscript(id);
  const begins = (data.tracks ?? []).map(({ id: track, started_at: at }) => [track, Date.parse(at) / 1000]);
  const origin = Math.min(...begins.map(([, at]) => at));
  return new Map(begins.map(([track, at]) => [track, at - origin]));
}

/** Times as the page counts them, as the server does: since its first track began. */
function shifted({ from, to, track }, begins, offsets) {
  const by = (begins.get(track) ?? 0) - (offsets.get(track) ?? 0);
  return { from: Math.max(0, from + by), to: to + by, track };
}

// The panel of who speaks on the page of a transcript: names, two that are one person, words given to another, voices told
// apart again, and voices that are recognised.

import '../elements/known_voices.js';
import '../elements/speaker_names.js';
import '../elements/voice_pass.js';
import { foldPanel } from '../elements/fold_panel.js';
import { allSegments, enrolVoice, forgetVoice, getTranscript, knownVoices, mergeSpeakers, nameSpeaker, tellApart, unmergeSpeakers } from './api.js';
import { h, show } from './dom.js';
import { giving } from './giving.js';
import { t } from './strings.js';
import { undoBar } from './undo_bar.js';

const DRAWN_EVERY_MS = 400; // words come faster than a list of speakers need be drawn

/**
 * Of the page: `words`, `transcript()` as the server last told it, `mine()` whether we may change it, `wish(action)` does it
 * or says why not; `changed(found)` takes what the server says after a change; `drawn()` follows each drawing.
 */
export function voicesPanel(id, { words, transcript, mine, wish, changed, drawn }) {
  const speakers = document.createElement('speaker-names');
  const known = document.createElement('known-voices');
  const pass = document.createElement('voice-pass');
  const panel = foldPanel(t('speakers.title'), speakers, pass, known);
  const done = undoBar();
  const gift = giving(id, { words, people, change, done });
  const bar = h('div', { class: 'words-bar' }, gift.pick, done.element, gift.form);
  let timer = 0;
  let spoken = []; // who speaks, as it was shown last
  let enrolled = null; // voices that are recognised, once they are known to us

  function draw() {
    timer = 0;
    const now = transcript();
    const found = new Map();
    let apart = false; // whether voices were told apart
    for (const { speaker, speaker_label: label, speaker_confidence: sure, words: said, text } of words.segments) {
      apart ||= sure != null;
      if (!speaker) continue;
      const voice = label || speaker;
      if (!found.has(voice)) {
        const colour = words.colourOf(speaker, voice);
        found.set(voice, { label: voice, name: speaker, colour, words: 0, recognised: isRecognised(now, voice, speaker) });
      }
      found.get(voice).words += said?.length || text.split(/\s+/).filter(Boolean).length;
    }
    show(panel.element, found.size > 0);
    panel.tell(String(found.size));
    spoken = [...found.values()];
    const fixed = !mine() || Boolean(now?.locked);
    speakers.show(spoken, { fixed });
    gift.allow(!fixed && found.size > 0);
    pass.known = now?.data.tracks?.find((track) => track.speakers_expected || track.max_speakers) ?? {};
    show(pass, apart && !fixed && !now?.audio_deleted);
    // A voice is recognised by a name: who has none yet is named first.
    const named = spoken.filter((each) => each.name !== each.label && !each.recognised);
    known.show(enrolled && apart ? named : null, enrolled ?? []);
    drawn();
  }

  /** Whom words can be given to: who speaks, and who was given a voice and has said nothing yet. */
  function people() {
    const silent = (transcript()?.participants ?? []).filter(({ speaker }) => speaker && !spoken.some(({ label }) => label === speaker));
    return [...spoken, ...silent.map(({ speaker: label, name: called }) => ({ label, name: called }))];
  }

  /** What was set right is told to all readers, and to us as to them; the answer is awaited so that it is shown at once. */
  async function change(action) {
    const worked = await wish(action);
    if (worked) {
      await wish(async () => {
        const before = words.finals;
        words.load(await allSegments(id), before);
        changed(await getTranscript(id));
      });
    }
    draw();
    return worked;
  }

  async function merge({ from, to, name, into }) {
    let merged = null;
    if (!(await change(async () => (merged = await mergeSpeakers(id, from, to))))) return;
    const takeBack = async () => (await change(() => unmergeSpeakers(id, merged.merge))) && done.tell(t('speakers.unmerged'));
    done.tell(t('speakers.merged', { name, into }), merged.merge && takeBack);
  }

  async function tellVoicesApart(asked) {
    let told = null;
    pass.begin();
    await change(async () => (told = await tellApart(id, asked)));
    pass.end(told);
  }

  /** Voices that are recognised in later recordings are asked for when somebody looks who speaks. */
  async function showKnown() {
    if (!mine() || !panel.element.open) return;
    enrolled = await knownVoices().catch(() => null);
    draw();
  }

  async function enrol({ label, name }) {
    await wish(async () => {
      try {
        await enrolVoice(id, label, name);
        known.tell(t('voices.done', { name }));
      } catch (error) {
        const { heard_s: heard, needed_s: needed } = error.details ?? {};
        if (needed === undefined) throw error;
        known.tell(t('voices.short', { heard, needed }));
      }
    });
    await showKnown();
  }

  async function forget({ id: voice, name }) {
    if (await wish(() => forgetVoice(voice))) known.tell(t('voices.gone', { name }));
    await showKnown();
  }

  speakers.addEventListener('rename', ({ detail }) => change(() => nameSpeaker(id, detail.label, detail.name)));
  speakers.addEventListener('merge', ({ detail }) => merge(detail));
  pass.addEventListener('tell-apart', ({ detail }) => tellVoicesApart(detail));
  panel.element.addEventListener('toggle', showKnown);
  known.addEventListener('enrol', ({ detail }) => enrol(detail));
  known.addEventListener('forget', ({ detail }) => forget(detail));
  show(panel.element, false);
  return { element: panel.element, bar, draw, drawSoon: () => (timer ||= setTimeout(draw, DRAWN_EVERY_MS)) };
}

const isRecognised = (now, label, name) =>
  Boolean(now?.participants?.some((each) => each.recognised && each.speaker === label && each.name === name));

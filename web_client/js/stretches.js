// Stretches of time, `[from, to]` in seconds: who spoke when. Pure.

export const PAUSE_S = 1; // who goes on within this has not stopped, as in the document of the speaker timeline

/** Stretches `[from, to]` in order, those joined that are less than `leastS` apart. */
export function joined(stretches, leastS) {
  const found = [];
  for (const [from, to] of [...stretches].sort((a, b) => a[0] - b[0])) {
    const last = found.at(-1);
    if (last && from - last[1] < leastS) last[1] = Math.max(last[1], to);
    else found.push([from, to]);
  }
  return found;
}

export const lengthOf = (stretches) => stretches.reduce((sum, [from, to]) => sum + to - from, 0);

/** Seconds between the marks of an axis, so that there are not more than `most` besides that at its beginning. */
export const stepOf = (lengthS, most) =>
  [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400].find((step) => lengthS / step <= most) ?? 43_200;

/** Who spoke when, all of them in order: `[{id, name, from, to}]`. */
export const turnsOf = (people) =>
  people.flatMap(({ id, name, spoke }) => spoke.map(([from, to]) => ({ id, name, from, to }))).sort((a, b) => a.from - b.from);

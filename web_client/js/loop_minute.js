// The last minute of the inference loop, as the page knows it: steps as they come from the server, and what they amount to.

export const KINDS = ['final', 'interim', 'file', 'guess'];

export class LoopMinute {
  steps = []; // in order of their numbers; `endMs` is on this page's clock
  notes = []; // `{worker, atMs, what, detail}`
  after = 0; // the number of the newest step here
  windowMs = 60_000;
  #run = '';

  /** Take in an answer of the server that came at `nowMs`. */
  take(answer, nowMs) {
    this.windowMs = answer.window_s * 1000;
    this.notes = answer.notes.map(([worker, ago, what, detail]) => ({ worker, atMs: nowMs - ago * 1000, what, detail }));
    if (answer.run !== this.#run) {
      const asked = this.after;
      this.#run = answer.run;
      this.steps = [];
      this.after = 0;
      if (asked) return; // it answered for numbers of another run; the next answer has all of this one
    }
    const known = this.after;
    for (const [number, worker, kind, ago, size, most, waitMs, runMs, samples, frames, listenMs] of answer.steps) {
      if (number <= known) continue;
      this.steps.push({ number, worker, kind, endMs: nowMs - ago * 1000, size, most, waitMs, runMs, samples, frames, listenMs });
    }
    this.after = Math.max(known, answer.last);
    const first = this.steps.findIndex((step) => step.endMs >= nowMs - this.windowMs);
    this.steps = first < 0 ? [] : this.steps.slice(first);
  }

  of(worker) {
    return this.steps.filter((step) => step.worker === worker);
  }
}

/** Steps of one kind in numbers: `{kind, count, rows, fill, waitMs: [p50, p95], runMs: [p50, p95]}`; null when there are none. */
export function summary(steps, kind) {
  const own = steps.filter((step) => step.kind === kind);
  if (!own.length) return null;
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const spread = (values) => [quantile(values, 0.5), quantile(values, 0.95)];
  return {
    kind,
    count: own.length,
    rows: mean(own.map((step) => step.size)),
    fill: mean(own.map(fillOf)),
    waitMs: spread(own.map((step) => step.waitMs)),
    runMs: spread(own.map((step) => step.runMs)),
  };
}

/** Mean time of voice activity per frame of 32 ms, in microseconds; null before the first. */
export function listenUs(steps) {
  const frames = steps.reduce((sum, step) => sum + step.frames, 0);
  return frames ? (steps.reduce((sum, step) => sum + step.listenMs, 0) / frames) * 1000 : null;
}

/** 0..1: how much of what a step takes was in this one. */
export const fillOf = (step) => Math.min(1, step.size / Math.max(1, step.most));

/** For each second of the window, the oldest first: the share of it that a step was running for what was wanted. */
export function busyBySecond(steps, nowMs, windowMs) {
  const shares = new Array(Math.round(windowMs / 1000)).fill(0);
  const originMs = nowMs - windowMs;
  for (const { kind, endMs, runMs } of steps) {
    if (kind === 'guess') continue;
    const [from, to] = [Math.max(0, endMs - runMs - originMs), endMs - originMs];
    for (let second = Math.floor(from / 1000); second * 1000 < to && second < shares.length; second += 1) {
      shares[second] += (Math.min(to, (second + 1) * 1000) - Math.max(from, second * 1000)) / 1000;
    }
  }
  return shares.map((share) => Math.min(1, share));
}

function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

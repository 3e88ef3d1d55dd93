// When to try again: longer each time, never all at the same moment.

const FIRST_S = 0.5;
const LONGEST_S = 15;

/** Seconds before try number `attempt` (from 0): doubling up to 15 s, each with "equal jitter" (half fixed, half random). */
export function delayS(attempt, random = Math.random) {
  const full = Math.min(LONGEST_S, FIRST_S * 2 ** Math.min(attempt, 10));
  return full / 2 + (full / 2) * random();
}

/**
 * Wait `seconds`, telling `onTick` the whole seconds left, so that a page can say "trying again in 3 s".
 * Ends early when the machine comes online again or `signal` aborts; never rejects.
 */
export function countdown(seconds, { onTick = () => {}, signal } = {}) {
  return new Promise((resolve) => {
    const end = performance.now() + seconds * 1000;
    let timer = 0;
    const finish = () => {
      clearTimeout(timer);
      removeEventListener('online', finish);
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const tick = () => {
      const left = end - performance.now();
      if (left <= 0) return finish();
      onTick(Math.ceil(left / 1000));
      timer = setTimeout(tick, left % 1000 || 1000);
    };
    addEventListener('online', finish, { once: true });
    signal?.addEventListener('abort', finish, { once: true });
    if (signal?.aborted) finish();
    else tick();
  });
}

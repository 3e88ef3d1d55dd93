// What is drawn again and again while words come, but not more often than is good for the reader.

const LEAST_REST = 10; // times as long as it took: a transcript of hours leaves the page to its reader

/** `draw` soon, once for all who ask until then; at least `everyMs` apart. */
export function nowAndThen(draw, everyMs) {
  let timer = 0;
  let tookMs = 0;
  return () => {
    timer ||= setTimeout(() => {
      timer = 0;
      const beganMs = performance.now();
      draw();
      tookMs = performance.now() - beganMs;
    }, Math.max(everyMs, tookMs * LEAST_REST));
  };
}

// The open line of a participant's page: it hears when words are written down, and tells the host how loud it is.

import { Listening } from './listening.js';
import { eventsOf } from './portal_api.js';

const LEVEL_EVERY_MS = 1000;
const FLOOR_DB = -100;

/** Events: `said` (words were written down, corrected or taken away, or the conversation stands elsewhere). */
export class PortalLive extends EventTarget {
  #listening;
  #peakDb = FLOOR_DB;
  #toldAt = 0;

  constructor(conversationId) {
    super();
    // What was said before is asked for when it opens: there is no need to hear of it word by word.
    this.#listening = new Listening(eventsOf(conversationId), { after: 'now', nobody: true });
    this.#listening.addEventListener('message', () => this.#said());
    this.#listening.addEventListener('state', ({ detail }) => detail.state === 'open' && this.#said());
    this.#listening.start();
  }

  /** Whether nothing can be said without our hearing of it. */
  get open() {
    return this.#listening.state === 'open';
  }

  /** How loud it is now, in dB below full scale; the peak of a second is told. */
  heard(db) {
    this.#peakDb = Math.max(this.#peakDb, db);
    const now = performance.now();
    if (now - this.#toldAt < LEVEL_EVERY_MS) return;
    this.#listening.send({ action: 'level', level_dbfs: Math.round(this.#peakDb * 10) / 10 });
    [this.#peakDb, this.#toldAt] = [FLOOR_DB, now];
  }

  close() {
    this.#listening.close();
  }

  #said() {
    this.dispatchEvent(new CustomEvent('said'));
  }
}

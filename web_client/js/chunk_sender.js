// Sends what the store keeps of one conversation, one chunk after the other, until the server has confirmed all of it.

import { ApiError } from './api.js';
import { countdown, delayS } from './backoff.js';
import { announce, confirmUpload, finish, put, sendText } from './portal_api.js';

const REFUSED_MAX = 5; // of one chunk: bytes that did not arrive as they were, addresses that expired

/** SHA-256 in hex; undefined on pages that may not reckon it. */
async function digestOf(file) {
  if (!crypto.subtle) return undefined;
  const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

const iso = (ms) => new Date(ms).toISOString();

/**
 * States: idle (nothing to send now), sending, waiting (for the network, `retryInS`), stopped (`problem`, until `wake`),
 * done (finished, and all of it confirmed). Events: `change`.
 */
export class ChunkSender extends EventTarget {
  state = 'idle';
  waiting = 0; // chunks that are whole and not confirmed
  confirmed = 0;
  retryInS = null;
  problem = null; // an ApiError or StorageError

  #store;
  #id;
  #abort = new AbortController();
  #wake = () => {};
  #woken = false;
  #uploads = new Map(); // chunk number -> where it was announced; the store has it, too, unless the device is full

  constructor(store, conversation) {
    super();
    this.#store = store;
    this.#id = conversation.id;
    this.confirmed = conversation.confirmed;
  }

  /** Once. Never raises. */
  async run() {
    let attempt = 0;
    while (!this.#over && this.state !== 'done') {
      try {
        if (await this.#step()) attempt = 0;
        else if (this.state !== 'done') await this.#sleep('idle');
      } catch (error) {
        if (this.#over) return;
        if (!(error instanceof ApiError && error.passing)) {
          this.problem = error;
          await this.#sleep('stopped');
          this.problem = null;
        } else {
          const seconds = Math.max(delayS(attempt++), error.retryAfterS ?? 0);
          await countdown(seconds, { signal: this.#abort.signal, onTick: (retryInS) => this.#set({ state: 'waiting', retryInS }) });
          this.retryInS = null;
        }
      }
    }
  }

  /** There is more to send; or what stood in the way may be gone. */
  wake() {
    this.#woken = true;
    this.#wake();
    if (this.state === 'waiting') this.#count().catch(() => {});
  }

  close() {
    this.#abort.abort();
    this.wake();
  }

  get #over() {
    return this.#abort.signal.aborted;
  }

  async #sleep(state) {
    this.#set({ state });
    while (!this.#woken) await new Promise((resolve) => (this.#wake = resolve));
    this.#woken = false;
  }

  /** Whether anything was done. */
  async #step() {
    const { conversation, chunks, whole } = await this.#count();
    if (conversation.finishing && !conversation.finishTold && whole.length === chunks.length) {
      await finish(this.#id, conversation.confirmed + chunks.length);
      await this.#store.change(this.#id, { finishTold: true });
      return true;
    }
    if (whole.length) {
      this.#set({ state: 'sending' });
      await this.#send(whole[0]);
      return true;
    }
    if (conversation.finishTold) this.#set({ state: 'done' });
    return false;
  }

  async #count() {
    const chunks = await this.#store.chunks(this.#id);
    const whole = chunks.filter((chunk) => chunk.sealed);
    const conversation = await this.#store.get(this.#id);
    this.#set({ waiting: whole.length, confirmed: conversation.confirmed });
    return { conversation, chunks, whole };
  }

  async #send(chunk) {
    if (chunk.text !== undefined) await sendText(this.#id, chunk.text, iso(chunk.atMs)); // again, it is the same
    else await this.#sendSound(chunk);
    await this.#store.free(chunk);
    await this.#store.confirmed(chunk);
    this.#uploads.delete(chunk.number);
  }

  async #sendSound(chunk) {
    const file = await this.#store.fileOf(chunk);
    if (file.size === 0) return; // freed already, and then the page was closed
    chunk.upload ??= this.#uploads.get(chunk.number) ?? null;
    // Perhaps only the answer was lost, or the page was loaded anew in between.
    if (chunk.upload && (await this.#isConfirmed(chunk))) return;
    for (let refused = 0; ; refused += 1) {
      try {
        if (!chunk.upload) await this.#announce(chunk, file);
        await put(chunk.upload.url, file, chunk.upload.headers);
        await confirmUpload(this.#id, chunk.upload.id, iso(chunk.atMs));
        return;
      } catch (error) {
        if (![400, 403].includes(error.status) || refused >= REFUSED_MAX) throw error;
        // The address is not good any more, or other bytes arrived: nothing was confirmed, so another one may be asked for.
        chunk.upload = null;
      }
    }
  }

  async #isConfirmed(chunk) {
    try {
      await confirmUpload(this.#id, chunk.upload.id, iso(chunk.atMs));
      return true;
    } catch (error) {
      if (error.status === 400) return false; // the bytes are not there
      if (error.status !== 404) throw error;
      chunk.upload = null;
      return false;
    }
  }

  async #announce(chunk, file) {
    const { chunk_id: id, upload_url: url, headers } = await announce(this.#id, {
      filename: `chunk-${chunk.number}`, content_type: file.type, size_bytes: file.size, sha256: await digestOf(file),
    });
    chunk.upload = { id, url, headers };
    this.#uploads.set(chunk.number, chunk.upload);
    await this.#store.update(chunk).catch(() => {}); // a device that is full must be able to send
  }

  #set(news) {
    Object.assign(this, news);
    this.dispatchEvent(new CustomEvent('change'));
  }
}

// A listening socket: every event of a transcript once and in order, over as many connections as it takes.

import { countdown, delayS } from './backoff.js';
import { openSocket } from './open_socket.js';
import { CLOSE, FINAL_CLOSES } from './socket_address.js';
import { askForToken } from './token.js';

const SILENT_MS = 25_000; // the server pings every 10 s; two and a half of them missed is a dead connection
const STABLE_MS = 5_000; // a connection that lived so long resets the back-off

export const eventsOf = (transcriptId) => `/v1/transcripts_websocket/${encodeURIComponent(transcriptId)}`;

/**
 * Events: `message` (detail: the message, or `{type: 'reconnected', data: {}}` where a new connection goes on), `state` (detail: `{state, retryInS, away}`), where state is
 * `connecting | open | waiting | closed` and `away` says that the server is gone or about to go, and `refused` (detail: `{code, message}`) when trying again is of no use.
 */
export class Listening extends EventTarget {
  lastSeq;
  state = 'closed';

  #socket = null;
  #abort = new AbortController();
  #attempt = 0;
  #watchdog = 0;
  #path;
  #secret;
  #nobody;
  #wasOpen = false;

  /** `secret` is shown in place of the access token; `nobody` shows none. Then nobody is asked for one. */
  constructor(path, { after = 0, secret = '', nobody = false } = {}) {
    super();
    this.#path = path;
    this.#secret = secret;
    this.#nobody = nobody;
    this.lastSeq = after;
  }

  start() {
    this.#run();
    return this;
  }

  close() {
    this.#abort.abort();
    clearTimeout(this.#watchdog);
    this.#socket?.close(CLOSE.NORMAL);
  }

  /** Ask for something (`{action: 'get_status'}`). False when there is no connection now. */
  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  async #run() {
    while (!this.#abort.signal.aborted) {
      this.#tell('connecting');
      const { code, reason, opened } = await this.#connection();
      if (this.#abort.signal.aborted) break;
      if (code === CLOSE.NOT_AUTHORISED) {
        if (this.#secret || this.#nobody || !(await askForToken())) return this.#refuse('NOT_AUTHORISED', reason);
        continue;
      }
      if (FINAL_CLOSES.has(code)) return this.#refuse(code === CLOSE.NOT_FOUND ? 'NOT_FOUND' : 'REFUSED', reason);
      const away = !opened || code === CLOSE.DRAINING;
      await countdown(delayS(this.#attempt++), {
        signal: this.#abort.signal,
        onTick: (retryInS) => this.#tell('waiting', { retryInS, away }),
      });
    }
    this.#tell('closed');
  }

  /** One connection's whole life; resolves with its close code, and whether it ever opened. */
  async #connection() {
    let socket;
    try {
      socket = await openSocket(`${this.#path}?after=${this.lastSeq}`, this.#nobody ? '' : this.#secret || undefined);
    } catch ({ status, message }) {
      return { code: status === 401 ? CLOSE.NOT_AUTHORISED : CLOSE.LOST, reason: message, opened: false };
    }
    if (this.#abort.signal.aborted) socket.close();
    return new Promise((resolve) => {
      this.#socket = socket;
      let opened = Infinity;
      const alive = () => {
        clearTimeout(this.#watchdog);
        this.#watchdog = setTimeout(() => socket.close(), SILENT_MS);
      };
      alive();
      socket.onopen = () => {
        opened = performance.now();
        alive();
        this.#tell('open');
        if (this.#wasOpen) this.dispatchEvent(new CustomEvent('message', { detail: { type: 'reconnected', data: {} } }));
        this.#wasOpen = true;
      };
      socket.onmessage = (event) => {
        alive();
        if (performance.now() - opened > STABLE_MS) this.#attempt = 0;
        this.#take(event.data);
      };
      socket.onclose = (event) => {
        clearTimeout(this.#watchdog);
        if (performance.now() - opened > STABLE_MS) this.#attempt = 0;
        resolve({ code: event.code, reason: event.reason, opened: opened !== Infinity });
      };
    });
  }

  #take(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return; // not ours
    }
    if (message.type === 'ping') {
      this.send({ action: 'pong' });
      return;
    }
    if (Number.isInteger(message.seq)) {
      if (message.seq <= this.lastSeq) return;
      this.lastSeq = message.seq;
    }
    this.dispatchEvent(new CustomEvent('message', { detail: message }));
  }

  #tell(state, more = {}) {
    this.state = state;
    this.dispatchEvent(new CustomEvent('state', { detail: { state, ...more } }));
  }

  #refuse(code, message) {
    this.#tell('closed');
    this.dispatchEvent(new CustomEvent('refused', { detail: { code, message } }));
  }
}

// What this browser keeps of conversations until the server has confirmed it: in IndexedDB, so that neither a reload nor
// a closed tab loses anything. A chunk of sound is kept in pieces as they come; together they are one whole file.

const NAME = 'earshot.portal';
const VERSION = 1;

/** `reason`: full | none (this browser keeps nothing for pages) | broken */
export class StorageError extends Error {
  constructor(reason, cause) {
    super(`storage: ${reason}`, { cause });
    this.reason = reason;
  }
}

const failure = (error) => new StorageError(error?.name === 'QuotaExceededError' ? 'full' : 'broken', error);

const answered = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      const db = request.result;
      db.createObjectStore('conversations', { keyPath: 'id' });
      db.createObjectStore('chunks', { keyPath: ['conversation', 'number'] });
      db.createObjectStore('pieces', { keyPath: ['conversation', 'number', 'piece'] });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

// All keys that begin so: a list sorts behind every number.
const below = (...key) => IDBKeyRange.bound(key, [...key, []]);

/** Every method is one transaction, and raises StorageError. */
export class PortalStore {
  #db;

  static async open() {
    const store = new PortalStore();
    try {
      store.#db = await opened();
    } catch (error) {
      throw new StorageError('none', error);
    }
    return store;
  }

  close() {
    this.#db.close();
  }

  /** `work` gets the stores by their names; its result comes when all of it is kept. */
  async #do(mode, work) {
    let tx;
    try {
      tx = this.#db.transaction(['conversations', 'chunks', 'pieces'], mode);
      const done = new Promise((resolve, reject) => {
        tx.oncomplete = resolve;
        tx.onabort = () => reject(tx.error);
        tx.onerror = () => {}; // an abort follows
      });
      const of = (name) => tx.objectStore(name);
      const [result] = await Promise.all([work(of('conversations'), of('chunks'), of('pieces')), done]);
      return result;
    } catch (error) {
      throw failure(error);
    }
  }

  // -- conversations ----------------------------------------------------------------------------------------------

  /** The one of this project that is not done, or null. */
  async unfinished(projectId) {
    const all = await this.#do('readonly', (conversations) => answered(conversations.getAll()));
    return all.filter((each) => each.projectId === projectId).sort((a, b) => b.beganAt - a.beganAt)[0] ?? null;
  }

  get(id) {
    return this.#do('readonly', (conversations) => answered(conversations.get(id)));
  }

  save(conversation) {
    return this.#do('readwrite', (conversations) => answered(conversations.put(conversation)));
  }

  async change(id, fields) {
    return this.#do('readwrite', async (conversations) => {
      const changed = { ...(await answered(conversations.get(id))), ...fields };
      await answered(conversations.put(changed));
      return changed;
    });
  }

  /** With all that was kept of it. */
  forget(id) {
    return this.#do('readwrite', (conversations, chunks, pieces) =>
      Promise.all([conversations.delete(id), chunks.delete(below(id)), pieces.delete(below(id))].map(answered)));
  }

  // -- chunks -----------------------------------------------------------------------------------------------------

  /**
   * A new chunk of a conversation, with the next number: of sound, `{type}`, which is open until it is sealed, or
   * `{text}`. `nowMs` is when it begins, by the server's clock; later than every one before, whatever clocks do.
   */
  add(id, fields, nowMs) {
    return this.#do('readwrite', async (conversations, chunks) => {
      const conversation = await answered(conversations.get(id));
      const atMs = Math.max(nowMs, conversation.lastAtMs + 1);
      const chunk = {
        conversation: id, number: conversation.nextNumber, atMs, sealed: fields.text !== undefined, upload: null, ...fields,
      };
      await answered(conversations.put({ ...conversation, nextNumber: chunk.number + 1, lastAtMs: atMs }));
      await answered(chunks.add(chunk));
      return chunk;
    });
  }

  addPiece({ conversation, number }, piece, bytes) {
    return this.#do('readwrite', (_conversations, _chunks, pieces) =>
      answered(pieces.add({ conversation, number, piece, bytes })));
  }

  /** All of it is there. One of which nothing came is let go. */
  seal({ conversation, number }) {
    return this.#do('readwrite', async (_conversations, chunks, pieces) => {
      const chunk = await answered(chunks.get([conversation, number]));
      if (await answered(pieces.count(below(conversation, number)))) await answered(chunks.put({ ...chunk, sealed: true }));
      else await answered(chunks.delete([conversation, number]));
    });
  }

  /** In the order of what was said. */
  chunks(id) {
    return this.#do('readonly', (_conversations, chunks) => answered(chunks.getAll(below(id))));
  }

  update(chunk) {
    return this.#do('readwrite', (_conversations, chunks) => answered(chunks.put(chunk)));
  }

  /** The file that its pieces make. */
  async fileOf({ conversation, number, type }) {
    const pieces = await this.#do('readonly', (_conversations, _chunks, all) => answered(all.getAll(below(conversation, number))));
    return new Blob(pieces.map((each) => each.bytes), { type: type.split(';')[0] });
  }

  /** Nothing but making room: a device that is full may do this, and only this. */
  free({ conversation, number }) {
    return this.#do('readwrite', (_conversations, _chunks, pieces) => answered(pieces.delete(below(conversation, number))));
  }

  /** The server has it: it need not be kept here any more. */
  confirmed({ conversation, number }) {
    return this.#do('readwrite', async (conversations, chunks, pieces) => {
      const found = await answered(conversations.get(conversation));
      await answered(conversations.put({ ...found, confirmed: found.confirmed + 1 }));
      await answered(chunks.delete([conversation, number]));
      await answered(pieces.delete(below(conversation, number)));
    });
  }
}

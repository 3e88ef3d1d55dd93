// What has been said, by segment id: applies the messages of the listening socket in whatever order they come.

/** A segment as kept here: the wire's `transcription.data`, plus `order` (epoch seconds at first sight). */
export class Segments {
  #byId = new Map();
  #ordered = [];
  #open = new Set(); // ids of segments that are not final yet

  get all() {
    return this.#ordered;
  }

  get(id) {
    return this.#byId.get(id);
  }

  /**
   * Take one `transcription.data`. Returns `{change, segment, before}`: change is `added | changed | removed | none`,
   * `before` the segment that now follows it (null at the end).
   */
  apply(data) {
    const known = this.#byId.get(data.segment_id);
    if (known && this.#stale(known, data)) return { change: 'none', segment: known };
    if (!data.text) return this.#remove(data.segment_id);
    if (data.is_final) this.#open.delete(data.segment_id);
    else this.#open.add(data.segment_id);
    if (known) {
      Object.assign(known, data);
      return { change: 'changed', segment: known };
    }
    const segment = { ...data, order: Number.isFinite(data.timestamp) ? data.timestamp : Infinity };
    return { change: 'added', segment, before: this.#insert(segment) };
  }

  /** A later message that says less than what is known: an interim after its final, or an older revision. */
  #stale(known, data) {
    if (known.is_final && !data.is_final) return true;
    return known.is_final && (data.revision ?? 1) < (known.revision ?? 1);
  }

  #insert(segment) {
    this.#byId.set(segment.segment_id, segment);
    let at = this.#ordered.length;
    while (at > 0 && this.#ordered[at - 1].order > segment.order) at -= 1;
    this.#ordered.splice(at, 0, segment);
    return this.#ordered[at + 1] ?? null;
  }

  #remove(id) {
    const segment = this.#byId.get(id);
    if (!segment) return { change: 'none', segment: null };
    this.#byId.delete(id);
    this.#open.delete(id);
    this.#ordered.splice(this.#ordered.indexOf(segment), 1);
    return { change: 'removed', segment };
  }

  /** Segments now known to be somebody else's (`diarization.data` with `segment_ids`). Returns those that changed. */
  relabel({ speaker, speaker_label: label = speaker, segment_ids: ids = [] }) {
    return ids
      .map((id) => this.#byId.get(id))
      .filter((segment) => segment && (segment.speaker !== speaker || segment.speaker_label !== label))
      .map((segment) => Object.assign(segment, { speaker, speaker_label: label }));
  }

  /** Ids of segments that are not final yet. */
  open() {
    return [...this.#open];
  }

  /**
   * Ids of interims in whose place `final` stands: a recogniser that had to begin anew, such as after a crash of the
   * server, says the same sentence under another id, and nobody is left who could take the interim back.
   */
  overtakenBy({ segment_id: own, track, start, end }) {
    return this.open().filter((id) => {
      const open = this.#byId.get(id);
      const middle = (open.start + open.end) / 2;
      return id !== own && open.track === track && start <= middle && middle <= end;
    });
  }

  drop(id) {
    return this.#remove(id);
  }
}

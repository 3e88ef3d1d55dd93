// The colours of speakers, by number: the same wherever a speaker is shown, and before and after somebody names them.

const COLOURS = 8; // as in style.css
const NUMBERED = /^Speaker (\d{1,9})$/;

export class SpeakerColours {
  #numbers = new Map(); // by label
  #labels = new Map(); // by name

  /** The number of a speaker's colour, 1 to 8; 0 for nobody. `label`: what the voice is called by itself, where that is known. */
  of(name, label) {
    if (!name) return 0;
    if (label) this.#labels.set(name, label);
    const known = this.#labels.get(name) ?? name;
    if (!this.#numbers.has(known)) this.#numbers.set(known, this.#numberOf(known));
    return this.#numbers.get(known);
  }

  clear() {
    this.#numbers.clear();
    this.#labels.clear();
  }

  /** Voices with a number have its colour, whoever was heard before them; others the first that is left. */
  #numberOf(label) {
    const [, number] = NUMBERED.exec(label) ?? [];
    if (Number(number)) return ((number - 1) % COLOURS) + 1;
    const taken = new Set(this.#numbers.values());
    for (let each = 1; each <= COLOURS; each += 1) if (!taken.has(each)) return each;
    return (this.#numbers.size % COLOURS) + 1;
  }
}

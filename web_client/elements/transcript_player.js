// Plays a transcript's sound. Space plays and pauses, arrows go by segment (see keys.js); the page marks the word.

import { audioPath, loadable, waveform } from '../js/api.js';
import { h, icon, ICONS } from '../js/dom.js';
import { clock } from '../js/format.js';
import { t } from '../js/strings.js';

/** Events: `position` (detail: `{time, track, playing}`), many times a second while playing; `problem`. */
class TranscriptPlayer extends HTMLElement {
  #audio = h('audio', { preload: 'metadata' });
  #button = h('button', { class: 'play', type: 'button', onclick: () => this.toggle() });
  #seek = h('input', { type: 'range', min: 0, max: 0, step: 0.01, value: 0, 'aria-label': t('player.seek') });
  #wave = h('canvas', { 'aria-hidden': 'true' });
  #time = h('span', { class: 'player-time' });
  #peaks = [];
  #duration = 0;
  #id = null;
  #track = null;
  #frame = 0;
  #loads = 0;
  #failed = false; // the sound could not be had

  connectedCallback() {
    if (this.hasChildNodes()) return;
    this.append(this.#audio, this.#button, h('div', { class: 'seek' }, this.#wave, this.#seek), this.#time);
    this.#audio.addEventListener('loadedmetadata', () => this.#show());
    this.#audio.addEventListener('play', () => this.#run());
    this.#audio.addEventListener('pause', () => this.#show());
    this.#audio.addEventListener('seeked', () => this.#show());
    this.#audio.addEventListener('error', () => this.#audio.src && this.dispatchEvent(new CustomEvent('problem')));
    this.#seek.addEventListener('input', () => this.seek(Number(this.#seek.value)));
    new ResizeObserver(() => this.#draw()).observe(this.#wave);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw());
    this.#show();
  }

  disconnectedCallback() {
    cancelAnimationFrame(this.#frame);
    this.#audio.pause();
  }

  /**
   * `duration` in seconds, when known before the sound is loaded. Never raises: sound that cannot be had is a `problem`.
   * Of several loads the last one counts, however late the answer to another comes.
   */
  async load(transcriptId, { duration = 0, track = null } = {}) {
    this.#loads += 1;
    const load = this.#loads;
    this.#id = transcriptId;
    this.#track = track;
    this.#duration = duration;
    const src = await loadable(audioPath(transcriptId, track)).catch(() => '');
    if (load !== this.#loads) {
      URL.revokeObjectURL(src);
      return;
    }
    const before = this.#audio.src;
    this.#failed = !src;
    if (src) this.#audio.src = src;
    else {
      // Rather no sound than what was there before, which may be that of another track.
      this.#unload();
      this.dispatchEvent(new CustomEvent('problem'));
    }
    URL.revokeObjectURL(before);
    this.#show();
    if (src) this.#picture(load);
  }

  /** There is no sound any more: what plays falls silent at once. */
  empty() {
    this.#loads += 1;
    const before = this.#audio.src;
    this.#unload();
    URL.revokeObjectURL(before);
    this.#show();
  }

  #unload() {
    this.#audio.removeAttribute('src');
    this.#audio.load();
    this.#peaks = [];
  }

  async #picture(load) {
    const { data = [] } = await waveform(this.#id, this.#track).catch(() => ({})); // the seek bar works without one
    if (load !== this.#loads) return;
    this.#peaks = data;
    this.#draw();
  }

  get time() {
    return this.#audio.currentTime;
  }

  get duration() {
    return Number.isFinite(this.#audio.duration) ? this.#audio.duration : this.#duration;
  }

  get playing() {
    return !this.#audio.paused && !this.#audio.ended;
  }

  toggle() {
    if (this.playing) this.#audio.pause();
    else this.play();
  }

  /** Sound that could not be had is asked for again. */
  async play() {
    if (this.#failed) await this.load(this.#id, { duration: this.#duration, track: this.#track });
    if (this.#failed) return;
    // A play that is interrupted by a pause rejects; that is no problem of anybody's.
    await this.#audio.play().catch((error) => error.name !== 'AbortError' && this.dispatchEvent(new CustomEvent('problem')));
  }

  seek(seconds) {
    this.#audio.currentTime = Math.max(0, Math.min(seconds, this.duration || seconds));
    this.#show();
  }

  /** Go to a word, ready to be played: on another track, that track is loaded first. */
  async cue(seconds, track = null) {
    if (track && this.#track && track !== this.#track) await this.load(this.#id, { track });
    this.seek(seconds);
  }

  /** Play from a word. */
  async playFrom(seconds, track = null) {
    await this.cue(seconds, track);
    await this.play();
  }

  #run() {
    cancelAnimationFrame(this.#frame);
    const step = () => {
      this.#show();
      if (this.playing) this.#frame = requestAnimationFrame(step);
    };
    step();
  }

  #show() {
    const { time, duration, playing } = this;
    this.#button.replaceChildren(icon(...ICONS[playing ? 'pause' : 'play']));
    this.#button.setAttribute('aria-label', t(playing ? 'player.pause' : 'player.play'));
    this.#seek.max = duration;
    this.#seek.value = time;
    this.#seek.setAttribute('aria-valuetext', t('player.at', { time: clock(time), duration: clock(duration) }));
    this.#time.textContent = `${clock(time)} / ${clock(duration)}`;
    this.#draw();
    this.dispatchEvent(new CustomEvent('position', { detail: { time, track: this.#track, playing } }));
  }

  /** The waveform, played part in the accent colour. */
  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#wave;
    this.#wave.parentElement.classList.toggle('pictured', this.#peaks.length > 0);
    if (!width || !this.#peaks.length) return;
    const scale = devicePixelRatio || 1;
    if (this.#wave.width !== Math.round(width * scale)) this.#wave.width = Math.round(width * scale);
    if (this.#wave.height !== Math.round(height * scale)) this.#wave.height = Math.round(height * scale);
    const style = getComputedStyle(this);
    const [played, ahead] = [style.getPropertyValue('--accent'), style.getPropertyValue('--line-strong')];
    const context = this.#wave.getContext('2d');
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    const bars = Math.floor(width / 3);
    const loudest = Math.max(0.05, ...this.#peaks);
    const done = this.duration ? this.time / this.duration : 0;
    for (let i = 0; i < bars; i += 1) {
      const from = Math.floor((i / bars) * this.#peaks.length);
      const to = Math.max(from + 1, Math.floor(((i + 1) / bars) * this.#peaks.length));
      const bar = Math.max(2, (Math.max(...this.#peaks.slice(from, to)) / loudest) * height);
      context.fillStyle = i / bars < done ? played : ahead;
      context.fillRect(i * 3, (height - bar) / 2, 2, bar);
    }
  }
}

customElements.define('transcript-player', TranscriptPlayer);

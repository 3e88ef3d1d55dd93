// Times and sizes as a person reads them.

import { language } from './strings.js';

/** Seconds on a track: `0:07`, `12:03`, `1:02:03`. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(Number.isFinite(seconds) ? seconds : 0));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const pad = (value) => String(value).padStart(2, '0');
  return h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

const decimal = new Intl.NumberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** Seconds with one decimal, in the reader's notation: `1.2` or `1,2`. */
export const tenths = (seconds) => decimal.format(seconds);

const moment = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' });

/** An ISO 8601 time as date and time here. */
export function when(iso) {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? '' : moment.format(date);
}

const ofDay = new Intl.DateTimeFormat(language, { timeStyle: 'medium', hourCycle: 'h23' });

/** When it was, of a time of `performance.now()`: `14:03:22`, as logs have it. */
export const timeOfDay = (atMs) => ofDay.format(new Date(performance.timeOrigin + atMs));

/** Bytes as `3.4 MB`, `148 MB` or `1.6 GB`. */
export function size(bytes) {
  const mega = bytes / 1e6;
  if (mega >= 1000) return `${decimal.format(mega / 1000)} GB`;
  return mega >= 10 ? `${Math.round(mega)} MB` : `${decimal.format(mega)} MB`;
}

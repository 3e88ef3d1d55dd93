// The server's REST interface, as functions. Every failure is an ApiError that says what happened.

import { askForToken, authorization, token } from './token.js';

export class ApiError extends Error {
  /** `code` is the server's, or `UNREACHABLE` when no answer came; `status` is 0 then. */
  constructor(message, { code = 'INTERNAL_ERROR', status = 0, details = {}, retryAfterS = null } = {}) {
    super(message);
    this.code = code;
    this.status = status;
    this.details = details;
    this.retryAfterS = retryAfterS;
  }

  /** Whether the same request may succeed later. */
  get passing() {
    return this.status === 0 || this.status === 421 || this.status === 429 || this.status >= 500;
  }
}

/** The path at which an error's details say that another node has it; '' where they do not, or at another origin, to which our pages may not connect. */
export function pathElsewhere(details) {
  try {
    const url = new URL(details.server_url);
    return url.origin === location.origin ? url.pathname.replace(/\/$/, '') : '';
  } catch {
    return ''; // none, or no address
  }
}

const DEADLINE_MS = 15_000; // a control request that takes longer, its answer included, has been lost
const SEGMENTS_ANEW_MAX = 3; // times; a pass over voices takes its few back at once

function errorOf(status, retryAfter, text) {
  let body = {};
  try {
    body = JSON.parse(text)?.error ?? {};
  } catch {
    // Not our envelope: a proxy in between. The status says enough.
  }
  return new ApiError(body.message ?? `HTTP ${status}`, {
    code: body.code ?? `HTTP_${status}`,
    status,
    details: body.details ?? {},
    retryAfterS: Number.parseFloat(retryAfter) || null,
  });
}

/**
 * Send a request; asks for the access token when the server wants one. Raises ApiError.
 * `secret` goes along in place of the access token; with it, or with `ask: false`, nobody is asked for one.
 * `nobody`: as somebody without an account, whatever token this tab has. `bytes`, a Blob, goes in place of `json`; `headers` go along.
 * `keepalive`: the request outlives the page. `slow`: it may take any time, as sound does. `isThere`: another node sent us to this address.
 */
export async function request(method, path, options = {}) {
  const { json, bytes, signal, secret, nobody = false, keepalive = false, slow = false, deadlineMs = DEADLINE_MS } = options;
  const { ask = !secret && !nobody } = options;
  const headers = nobody ? {} : secret ? { Authorization: `Bearer ${secret}` } : authorization();
  if (json !== undefined) headers['Content-Type'] = 'application/json';
  Object.assign(headers, options.headers);
  const ends = [signal, slow ? null : AbortSignal.timeout(deadlineMs)].filter(Boolean);
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: json === undefined ? bytes : JSON.stringify(json), // of a Blob, its type becomes the content type
      signal: AbortSignal.any(ends),
      cache: 'no-store',
      keepalive,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(String(error?.message ?? error), { code: 'UNREACHABLE' });
  }
  if (response.status === 401 && ask && (await askForToken())) return request(method, path, { json, signal, slow });
  if (response.ok) return response;
  const error = errorOf(response.status, response.headers.get('Retry-After'), await response.text());
  const there = response.status === 421 && !options.isThere ? pathElsewhere(error.details) : '';
  if (there) return request(method, `${there}${path}`, { ...options, isThere: true });
  throw error;
}

const jsonOf = async (response) => (response.status === 204 ? null : response.json());
export const get = async (path, options) => jsonOf(await request('GET', path, options));
export const post = async (path, json, options = {}) => jsonOf(await request('POST', path, { ...options, json }));
export const patch = async (path, json, options = {}) => jsonOf(await request('PATCH', path, { ...options, json }));

const query = (track) => (track ? `?track=${encodeURIComponent(track)}` : '');
const at = (id) => `/v1/transcripts/${encodeURIComponent(id)}`;

export const createTranscript = (fields = {}) => post('/v1/transcripts', fields);
export const getTranscript = (id, options) => get(at(id), options);
export const deleteTranscript = (id) => request('DELETE', at(id));
export const changeTranscript = (id, fields) => patch(at(id), fields);
export const restoreTranscript = (id) => post(`${at(id)}/restore`, {});
export const destroyTranscript = (id) => request('DELETE', `${at(id)}/destroy`);
export const deleteSound = (id) => request('DELETE', `${at(id)}/audio`);
export const figuresOf = (id) => get(`${at(id)}/speaker/figures`, { ask: false });
export const topicsOf = (id) => get(`${at(id)}/topics?limit=200`, { ask: false });

/** `wanted`: the list's filters by their names in the query; those that are empty say nothing. */
export function listTranscripts(page = 1, size = 50, wanted = {}) {
  const given = Object.entries(wanted).filter(([, value]) => value);
  return get(`/v1/transcripts?${new URLSearchParams([['page', page], ['size', size], ...given])}`);
}

/** Places where words were said; see docs/api.md. */
export function searchTranscripts(q, { offset = 0, limit = 20, wanted = {}, signal } = {}) {
  const given = Object.entries(wanted).filter(([, value]) => value);
  return get(`/v1/transcripts/search?${new URLSearchParams([['q', q], ['limit', limit], ['offset', offset], ...given])}`, { signal });
}

/** Who we are to the server; null when it does not know us. Asks nobody for anything. */
export async function whoAmI() {
  try {
    return await get('/v1/me', { ask: false });
  } catch (error) {
    if (error instanceof ApiError && [401, 403].includes(error.status)) return null;
    throw error;
  }
}

// Who said what.
export const participantsOf = (id) => get(`${at(id)}/participants`);

/** Where both voices have a name, that of `to` stays. */
export async function mergeSpeakers(id, from, to) {
  const named = (await participantsOf(id)).find((participant) => participant.speaker === to);
  return post(`${at(id)}/speaker/merge`, { speaker_from: from, speaker_to: to, ...(named && { participant: named.id }) });
}

export const unmergeSpeakers = (id, merge) => post(`${at(id)}/speaker/unmerge`, { merge });

/** Call a voice by a name; without one it is called by its label again. */
export async function nameSpeaker(id, label, name) {
  const known = (await participantsOf(id)).find((participant) => participant.speaker === label);
  if (known && !name) return request('DELETE', `${at(id)}/participants/${encodeURIComponent(known.id)}`);
  if (known) return patch(`${at(id)}/participants/${encodeURIComponent(known.id)}`, { name });
  return name ? post(`${at(id)}/participants`, { name, speaker: label }) : null;
}

export const addParticipant = (id, name) => post(`${at(id)}/participants`, { name });
export const removeParticipant = (id, participant) => request('DELETE', `${at(id)}/participants/${encodeURIComponent(participant)}`);

/** Give words to `who`, `{speaker}` or `{participant}`: those on a track that begin within some seconds since the first one began. */
export const assignWords = (id, who, { from, to, track }) =>
  post(`${at(id)}/speaker/assign`, { ...who, timestamp_from: from, timestamp_to: to, track });

/** Tell the voices apart anew, knowing so much of how many speak: `{voices, segments, split}`. Hours of talk take a while. */
export const tellApart = (id, known) => post(`${at(id)}/speaker/relabel`, known, { slow: true });

// Voices that are recognised in later recordings.
export const enrolVoice = (id, speaker, name) => post('/v1/voices', { transcript_id: id, speaker, name, consent: true });
export const forgetVoice = (id) => request('DELETE', `/v1/voices/${encodeURIComponent(id)}`);

/** None for those who may not have any: nobody is asked for a token for it. */
export async function knownVoices() {
  try {
    return (await get('/v1/voices', { ask: false })).items;
  } catch (error) {
    if (error instanceof ApiError && [401, 403].includes(error.status)) return null;
    throw error;
  }
}

export const waveform = (id, track) => get(`${at(id)}/waveform${query(track)}`, { slow: true });
export const engine = () => get('/v1/engine');
export const models = () => get('/v1/models');
export const loopFigures = (after) => get(`/debug/loop.json?after=${after}`);
export const pullModel = (name) => post(`/v1/models/${encodeURIComponent(name)}/pull`, {});
export const sendOffer = (id, body, options) => post(`/v1/transcripts_webrtc/${encodeURIComponent(id)}/offer`, body, options);

/** Addresses of STUN and TURN servers; none when the server names none or cannot be asked. `options`: as of `request`. */
export async function iceServers(options) {
  try {
    return (await get('/v1/ice-servers', options)).ice_servers ?? [];
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return [];
    throw error;
  }
}

/**
 * Every segment of a transcript, in pages as the server gives them. Where some were taken back between two pages, those
 * behind moved up: then it begins anew.
 */
export async function allSegments(id, anew = SEGMENTS_ANEW_MAX) {
  const items = [];
  for (let page = 1, total = 0; ; page += 1) {
    const answer = await get(`${at(id)}/segments?page=${page}&size=500`);
    if (answer.total < total && anew > 0) return allSegments(id, anew - 1);
    total = answer.total;
    items.push(...answer.items);
    if (answer.items.length === 0 || items.length >= total) return items;
  }
}

export const audioPath = (id, track) => `${at(id)}/audio${query(track)}`;
export const soundPath = (id, { track, format } = {}) => {
  const given = Object.entries({ track, format }).filter(([, value]) => value);
  return `/v1/transcripts_audio/${encodeURIComponent(id)}/download${given.length ? `?${new URLSearchParams(given)}` : ''}`;
};
export const zipPath = (id) => `${at(id)}/download/zip`;
export const exportPath = (id, format) => `${at(id)}/export?format=${format}`;

/** A path as something an element can load: itself, or a blob URL where a token must be sent along. */
export async function loadable(path) {
  return token() ? (await download(path)).url : path;
}

/** A file as a blob URL, and the name that the server gives it. */
export async function download(path) {
  const response = await request('GET', path, { slow: true });
  const disposition = response.headers.get('Content-Disposition') ?? '';
  const [, whole] = /filename\*=UTF-8''([^;]+)/i.exec(disposition) ?? [];
  const [, plain = ''] = /filename="([^"]*)"/i.exec(disposition) ?? [];
  return { url: URL.createObjectURL(await response.blob()), name: whole ? decodeURIComponent(whole) : plain };
}

/**
 * Upload a file: the transcript that was made of it. Nothing is made of one that is refused or cut off.
 * `onProgress` gets 0..1; `known` is what is known of it besides, such as how many speak.
 */
export async function upload(file, onProgress, known = {}) {
  await get('/v1/me'); // asks for a token where one is needed: a refusal must not wait for the whole file
  return sendForm('/v1/transcripts', { ...known, file }, onProgress);
}

/** Post a form, its files as they are; by XMLHttpRequest, because fetch tells no upload progress. Asks nobody for a token. */
export const sendForm = (path, fields, onProgress) =>
  new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open('POST', path);
    for (const [name, value] of Object.entries(authorization())) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    xhr.onerror = () => reject(new ApiError('the upload was cut off', { code: 'UNREACHABLE' }));
    xhr.onload = () => {
      if (xhr.status < 300) resolve(JSON.parse(xhr.responseText));
      else reject(errorOf(xhr.status, xhr.getResponseHeader('Retry-After'), xhr.responseText));
    };
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) {
      if (value instanceof File) form.append(name, value, value.name);
      else form.append(name, value);
    }
    xhr.send(form);
  });

// Jobs that make words of files, and what is asked about their words, over REST.

import { get, post, sendForm } from './api.js';

const enc = encodeURIComponent;
const at = '/api/transcribe';
const download = (name) => `${at}/models/${enc(name)}/download`;

export const jobModels = async () => (await get(`${at}/models`)).models;
export const fetchModel = (name) => post(download(name), {});
export const fetchProgress = (name, options) => get(download(name), options);

export const listJobs = async (limit) => (await get(`${at}/jobs?limit=${limit}`)).jobs;
export const cancelJob = (id) => post(`${at}/cancel/${enc(id)}`, {});
export const livePath = (id) => `${at}/live/${enc(id)}`;

/** Begin a job with a file; nothing is made of one that is refused. `onProgress` gets 0..1. */
export async function startJob(file, { model, language, known = {} }, onProgress) {
  await get('/v1/me'); // asks for a token where one is needed: a refusal must not wait for the whole file
  // The fields come first, so that what cannot be is refused before the file is sent.
  return sendForm(`${at}/`, { model_name: model, language, diarize: 'true', ...known, file }, onProgress);
}

/** Waits until the stretch was heard: `{text, words, model_used, revision}`. */
export const hearAgain = (id, { segment, model }) =>
  post(`/api/retranslate/segment-from-full?job_id=${enc(id)}`, {
    segment_id: segment.segment_id, start_time: segment.start, end_time: segment.end, model_name: model,
  }, { slow: true });

// What is asked about the words. Who has chosen no language model names the usual one, which is whichever there is.
export const UNCHOSEN = 'gpt-3.5-turbo';

export const languageModels = async () => (await get('/api/chat/models')).models;
export const startSummary = (id, { format, model = UNCHOSEN }) =>
  post('/api/summary/', { transcript_id: id, format, model_name: model, max_length: 300 });
export const summaryStatus = (summaryId, options) => get(`/api/summary/status/${enc(summaryId)}`, options);
export const readSummary = (summaryId) => get(`/api/summary/${enc(summaryId)}`);
export const askAbout = (id, messages, model = UNCHOSEN) =>
  post('/api/chat/', { transcript_id: id, messages, model_name: model, temperature: 0.2, max_tokens: 500 }, { slow: true });

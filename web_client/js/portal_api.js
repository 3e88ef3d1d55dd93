// What a participant asks of the server, without an account: whoever has a conversation's id goes on with it.

import { get, post, request } from './api.js';

const NOBODY = { nobody: true };
const PUT_DEADLINE_MS = 120_000; // half a minute of sound over a bad network
const project = (id) => `/api/participant/projects/${encodeURIComponent(id)}`;
const conversation = (id, step) => `/api/participant/conversations/${encodeURIComponent(id)}/${step}`;

export const eventsOf = (id) => conversation(id, 'events');
export const getProject = (id) => get(project(id), NOBODY);
export const begin = (projectId, fields) => post(`${project(projectId)}/conversations/initiate`, fields, NOBODY);
export const getConversation = (projectId, id) => get(`${project(projectId)}/conversations/${encodeURIComponent(id)}`, NOBODY);
export const chunksOf = (id) => get(conversation(id, 'chunks'), NOBODY);
export const announce = (id, fields) => post(conversation(id, 'get-upload-url'), fields, NOBODY);
export const confirmUpload = (id, chunkId, timestamp) =>
  post(conversation(id, 'confirm-upload'), { chunk_id: chunkId, timestamp }, NOBODY);
export const sendText = (id, content, timestamp) => post(conversation(id, 'upload-text'), { content, timestamp }, NOBODY);
export const finish = (id, expectedChunks) => post(conversation(id, 'finish'), { expected_chunks: expectedChunks }, NOBODY);
export const ping = (id) => post(conversation(id, 'ping'), {}, NOBODY);

/** Put the bytes to where the server said, with the headers that it named. On this server itself the way that this page came is the one that works. */
export async function put(address, bytes, headers = {}) {
  const url = new URL(address, location.href);
  const place = url.host === location.host ? url.pathname + url.search : url.href;
  await request('PUT', place, { ...NOBODY, bytes, headers, deadlineMs: PUT_DEADLINE_MS });
}

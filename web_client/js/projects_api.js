// Projects, what is in them, and who is told of it, over REST.

import { get, patch, post, request } from './api.js';

const enc = encodeURIComponent;
const at = (id) => `/api/projects/${enc(id)}`;

export const listProjects = (page = 1, size = 50) => get(`/api/projects?page=${page}&size=${size}`);
export const createProject = (fields) => post('/api/projects', fields);
export const getProject = (id) => get(at(id));
export const changeProject = (id, fields) => patch(at(id), fields);
export const deleteProject = (id) => request('DELETE', at(id));

export const addTag = (id, text) => post(`${at(id)}/tags`, { text });
export const renameTag = (id, tagId, text) => patch(`${at(id)}/tags/${enc(tagId)}`, { text });
export const deleteTag = (id, tagId) => request('DELETE', `${at(id)}/tags/${enc(tagId)}`);

export const listConversations = (id, page, size, options) => get(`${at(id)}/conversations?page=${page}&size=${size}`, options);
/** Have all of it that was given up written down after all; how many parts that were. */
export async function retryChunks(conversationId) {
  const chunks = await get(`/api/participant/conversations/${enc(conversationId)}/chunks`);
  const given = chunks.filter((chunk) => chunk.is_given_up);
  for (const { id } of given) await post(`/api/conversations/${enc(conversationId)}/chunks/${enc(id)}/retry`, {});
  return given.length;
}
export const documentsPath = (id) => `${at(id)}/transcripts`;
export const tablePath = (id) => `${at(id)}/conversations.csv`;
export const spreadsheetPath = (id) => `${at(id)}/conversations.xlsx`;

const portal = (id) => `/p/${enc(id)}`;
export const portalPath = portal;
export const qrPath = (id) => `${portal(id)}/qr.svg`;

const hook = (id, hookId) => `${at(id)}/webhooks/${enc(hookId)}`;
export const listWebhooks = (id) => get(`${at(id)}/webhooks`);
export const createWebhook = (id, fields) => post(`${at(id)}/webhooks`, fields);
export const changeWebhook = (id, hookId, fields) => patch(hook(id, hookId), fields);
export const deleteWebhook = (id, hookId) => request('DELETE', hook(id, hookId));
/** Waits for the receiver. */
export const testWebhook = (id, hookId) => post(`${hook(id, hookId)}/test`, {}, { slow: true });
export const listDeliveries = (id, hookId, page, size) => get(`${hook(id, hookId)}/deliveries?page=${page}&size=${size}`);
export const replayDelivery = (id, hookId, deliveryId) => post(`${hook(id, hookId)}/deliveries/${enc(deliveryId)}/replay`, {});

const report = (id, reportId) => `${at(id)}/reports/${enc(reportId)}`;
export const listReports = (id, page, size, options) => get(`${at(id)}/reports?page=${page}&size=${size}`, options);
export const createReport = (id, fields) => post(`${at(id)}/reports`, fields);
export const changeReport = (id, reportId, fields) => patch(report(id, reportId), fields);
export const deleteReport = (id, reportId) => request('DELETE', report(id, reportId));

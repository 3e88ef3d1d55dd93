// Rooms, meetings and their participants, over REST. A participant shows the token that joining gave (`secret`).

import { get, patch, post, request } from './api.js';

const room = (nameOrId) => `/v1/rooms/${encodeURIComponent(nameOrId)}`;
const meeting = (id) => `/v1/meetings/${encodeURIComponent(id)}`;

export const listRooms = (page = 1, size = 50) => get(`/v1/rooms?page=${page}&size=${size}`);
export const createRoom = (fields) => post('/v1/rooms', fields);
export const changeRoom = (id, fields) => patch(room(id), fields);
export const deleteRoom = (id) => request('DELETE', room(id));
export const getRoom = (nameOrId) => get(`/v1/rooms/name/${encodeURIComponent(nameOrId)}`);
export const openMeeting = (nameOrId) => post(`${room(nameOrId)}/meeting`, {});
export const getMeeting = (id, options) => get(meeting(id), options);
export const endMeeting = (id) => post(`${meeting(id)}/end`, {});
export const joinMeeting = (id, fields) => post(`${meeting(id)}/join`, fields);
export const leaveMeeting = (id, options) => request('POST', `${meeting(id)}/leave`, options);
export const answerConsent = (id, given, options) => post(`${meeting(id)}/consent`, { consent_given: given }, options);
export const offerSound = (id, participantId, body, options) =>
  post(`${meeting(id)}/participants/${encodeURIComponent(participantId)}/offer`, body, options);

/** The meeting that goes on in a room, or null. */
export async function activeMeeting(nameOrId) {
  return (await get(`${room(nameOrId)}/meetings/active`))[0] ?? null;
}

/** Who is in the meeting now, and whether its sound will be kept, as their answers stand. */
export async function whoIsIn(id, options) {
  const { items, sound_kept: soundKept } = await get(`${meeting(id)}/participants`, options);
  return { here: items.filter((person) => person.is_here), soundKept };
}

// What somebody calls themselves in rooms, and who they were in a meeting that this tab was in.

const NAME = 'earshot.name';
const place = (meetingId) => `earshot.participant.${meetingId}`;

/** Asked once, kept in this browser. */
export const ownName = () => localStorage.getItem(NAME) ?? '';

export function keepOwnName(name) {
  if (name) localStorage.setItem(NAME, name);
  else localStorage.removeItem(NAME);
}

/** The token of a participant lives as long as the tab: after a reload one is the same participant again. */
export const placeIn = (meetingId) => sessionStorage.getItem(place(meetingId));

export function keepPlace(meetingId, secret) {
  if (secret) sessionStorage.setItem(place(meetingId), secret);
  else sessionStorage.removeItem(place(meetingId));
}

// Opens WebSockets as who we are, though a page can give them no header.

import { post } from './api.js';
import { socketAddress } from './socket_address.js';
import { token } from './token.js';

const SUBPROTOCOL = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/; // RFC 9110, 5.6.2: browsers throw at anything else

/**
 * A socket at `path`, with `secret` in place of the access token where one is given. What cannot stand among the
 * subprotocols, such as a token in base64, is exchanged for a ticket; raises ApiError where none is given for it.
 */
export async function openSocket(path, secret = token()) {
  if (!secret) return new WebSocket(socketAddress(path));
  if (SUBPROTOCOL.test(secret)) return new WebSocket(socketAddress(path), ['bearer', secret]);
  const { ticket } = await post('/v1/tickets', {}, { secret });
  return new WebSocket(socketAddress(`${path}${path.includes('?') ? '&' : '?'}ticket=${ticket}`));
}

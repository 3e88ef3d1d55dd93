// WebSocket addresses on the server this page came from, and what its close codes mean to us.

export function socketAddress(path) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

export const CLOSE = {
  NORMAL: 1000,
  LOST: 1006,
  TOO_LARGE: 1009,
  BAD_REQUEST: 4000,
  NOT_AUTHORISED: 4001,
  FORBIDDEN: 4003,
  NOT_FOUND: 4004,
  REPLACED: 4009,
  DRAINING: 4010,
};

/** Closes after which the same request would be refused again. */
export const FINAL_CLOSES = new Set([CLOSE.BAD_REQUEST, CLOSE.FORBIDDEN, CLOSE.NOT_FOUND]);

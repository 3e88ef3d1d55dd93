// What both ways of sending sound have in common.
//
// A connection has: `transport`, `resumeToken`, `waitingS` (seconds of sound not yet safe), `connect(resumeToken)`,
// `lost` (a promise, after connect), `suspect()` (the server seems to be gone), `stop()` (true when the request to finish is on its way) and `close()`.

/** `reason`: `no-path` (never connected), `gone` (was connected), or `refused` (trying again is of no use). */
export class ConnectionLost extends Error {
  constructor(reason, { code = '', message = '' } = {}) {
    super(message || reason);
    this.reason = reason;
    this.code = code;
  }
}

// Sound to the server over WebRTC, and in a room the others' from it: one audio section, one data channel for commands.

import { iceServers, sendOffer } from './api.js';
import { ConnectionLost } from './connection.js';

const GATHER_MS = 2000; // candidates after this are rarely the ones that work
const CONNECT_MS = 8000; // after this the page tries the WebSocket instead
const UNSTEADY_MS = 4000; // `disconnected` often mends itself within a few seconds

const TOLD_BEFORE = new Set(['DRAINING', 'REPLACED']);

export const supported = () => typeof RTCPeerConnection === 'function';

function once(target, event, test, ms) {
  return new Promise((resolve) => {
    const finish = (result) => {
      clearTimeout(timer);
      target.removeEventListener(event, check);
      resolve(result);
    };
    const check = () => test() && finish(true);
    const timer = setTimeout(() => finish(false), ms);
    target.addEventListener(event, check);
    check();
  });
}

export class WebRtcConnection {
  transport = 'webrtc';
  resumeToken = null;
  waitingS = 0; // nothing waits here: what cannot be sent now is not sent later
  lost = null; // resolves with a ConnectionLost when a connection that was up is gone

  #stream;
  #offer;
  #hear;
  #secret;
  #peer = null;
  #channel = null;
  #closing = false;
  #giveUp = () => {};

  /**
   * `stream`: what is sent; null where somebody only listens. `offer(body)` posts the offer and resolves with the answer.
   * `hear(stream)` is given what comes back; without it nothing is asked for. `secret` goes along in place of the access
   * token.
   */
  constructor(stream, transcriptId, { offer = (body) => sendOffer(transcriptId, body), hear = null, secret } = {}) {
    this.#stream = stream;
    this.#offer = offer;
    this.#hear = hear;
    this.#secret = secret;
  }

  /** Make the offer and wait until sound can flow. Raises ApiError, or ConnectionLost when no path was found in time. */
  async connect(resumeToken = this.resumeToken) {
    this.#drop();
    this.#closing = false;
    const peer = new RTCPeerConnection({ iceServers: await iceServers({ secret: this.#secret }) });
    this.#peer = peer;
    this.#channel = peer.createDataChannel('events');
    for (const track of this.#stream?.getAudioTracks() ?? []) {
      peer.addTransceiver(track, { direction: this.#hear ? 'sendrecv' : 'sendonly', streams: [this.#stream] });
    }
    if (!this.#stream) peer.addTransceiver('audio', { direction: 'recvonly' });
    peer.ontrack = ({ track }) => this.#hear?.(new MediaStream([track]));
    try {
      await this.#negotiate(peer, resumeToken);
    } catch (error) {
      this.#drop();
      throw error;
    }
    this.lost = this.#watch(peer, this.#channel);
  }

  async #negotiate(peer, resumeToken) {
    await peer.setLocalDescription();
    await once(peer, 'icegatheringstatechange', () => peer.iceGatheringState === 'complete', GATHER_MS);
    const { sdp, type } = peer.localDescription;
    const answer = await this.#offer({ sdp, type, ...(resumeToken ? { resume_token: resumeToken } : {}) });
    this.resumeToken = answer.resume_token ?? null;
    await peer.setRemoteDescription({ sdp: answer.sdp, type: answer.type });
    const settled = () => ['connected', 'failed', 'closed'].includes(peer.connectionState);
    await once(peer, 'connectionstatechange', settled, CONNECT_MS);
    if (peer.connectionState !== 'connected') throw new ConnectionLost('no-path');
  }

  #watch(peer, channel) {
    return new Promise((resolve) => {
      let unsteady = 0;
      const gone = () => this.#closing || resolve(new ConnectionLost('gone'));
      peer.onconnectionstatechange = () => {
        clearTimeout(unsteady);
        if (peer.connectionState === 'disconnected') unsteady = setTimeout(gone, UNSTEADY_MS);
        else if (peer.connectionState !== 'connected') gone();
      };
      channel.onclose = gone;
      channel.onmessage = (event) => {
        const { type, data } = JSON.parse(event.data);
        // Told before it goes; words come over the listening socket, so nothing else here is of interest.
        if (type === 'error' && TOLD_BEFORE.has(data.code)) resolve(new ConnectionLost('gone', data));
      };
      this.#giveUp = gone;
    });
  }

  /** The server answers nothing else either: no need to wait until the peer connection notices. */
  suspect() {
    this.#giveUp();
  }

  /** Send a command (`{cmd: 'PAUSE'}`) as soon as the channel is open. */
  tell(command) {
    const channel = this.#channel;
    const send = () => channel.send(JSON.stringify(command));
    if (channel?.readyState === 'open') send();
    else channel?.addEventListener('open', send, { once: true });
  }

  /** Ask the server to finish. False when this connection cannot carry it: ask another way. */
  stop() {
    this.#closing = true;
    if (this.#channel?.readyState !== 'open') return false;
    this.#channel.send(JSON.stringify({ cmd: 'STOP' }));
    return true;
  }

  close() {
    this.#closing = true;
    this.#drop();
  }

  #drop() {
    if (!this.#peer) return;
    this.#peer.onconnectionstatechange = null;
    if (this.#channel) this.#channel.onclose = this.#channel.onmessage = null;
    this.#peer.close();
    this.#peer = null;
    this.#channel = null;
  }
}

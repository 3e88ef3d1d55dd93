// libwebrtc in node (@roamhq/wrtc) as a WHIP client: offers at once, trickles its candidates, speaks a WAV file, ends.
// node libwebrtc_client.cjs FOLDER_OF_THE_PACKAGE WAV ENDPOINT TOKEN
const fs = require("node:fs");
const path = require("node:path");

const [folder, wav, endpoint, token] = process.argv.slice(2);
const { RTCPeerConnection, nonstandard } = require(path.join(folder, "node_modules", "@roamhq", "wrtc"));
const RATE_HZ = 16000;
const FRAME_SAMPLES = RATE_HZ / 100;
const HEADER_BYTES = 44;

async function ask(method, url, type, body, more = {}) {
  const headers = { Authorization: `Bearer ${token}`, ...more };
  if (type) headers["Content-Type"] = type;
  const answer = await fetch(url, { method, headers, body });
  if (!answer.ok) throw new Error(`${method} was answered ${answer.status}: ${await answer.text()}`);
  return answer;
}

async function main() {
  const file = fs.readFileSync(wav).subarray(HEADER_BYTES);
  const samples = new Int16Array(file.buffer.slice(file.byteOffset, file.byteOffset + file.length));
  const source = new nonstandard.RTCAudioSource();
  const peer = new RTCPeerConnection({ iceServers: [], bundlePolicy: "max-bundle" });
  peer.addTransceiver(source.createTrack(), { direction: "sendonly" });
  const candidates = [];
  const gathered = new Promise((resolve) => {
    peer.onicecandidate = ({ candidate }) => (candidate ? candidates.push(candidate) : resolve());
  });
  const connected = new Promise((resolve, reject) => {
    peer.onconnectionstatechange = () => {
      if (peer.connectionState === "connected") resolve();
      if (peer.connectionState === "failed") reject(new Error("the connection failed"));
    };
  });
  const offer = await peer.createOffer();
  await peer.setLocalDescription(offer);
  const answer = await ask("POST", endpoint, "application/sdp", offer.sdp);
  const session = new URL(answer.headers.get("location"), endpoint);
  await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  await gathered;
  const line = (name) => offer.sdp.split("\r\n").find((each) => each.startsWith(name));
  const fragment = [
    line("a=ice-ufrag:"), line("a=ice-pwd:"), line("m=audio"), line("a=mid:"),
    ...candidates.map((each) => `a=${each.candidate}`), "a=end-of-candidates", "",
  ].join("\r\n");
  const patched = await ask("PATCH", session, "application/trickle-ice-sdpfrag", fragment,
    { "If-Match": answer.headers.get("etag") });
  await connected;
  await speak(source, samples);
  await ask("DELETE", session);
  peer.close();
  console.log(`trickled ${candidates.length}: ${patched.status}; ${answer.headers.get("link")}`);
}

function speak(source, samples) {
  const began = performance.now();
  let at = 0;
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      for (; at < ((performance.now() - began) / 1000) * RATE_HZ; at += FRAME_SAMPLES) {
        const piece = new Int16Array(FRAME_SAMPLES);
        piece.set(samples.subarray(at, at + FRAME_SAMPLES));
        source.onData({ samples: piece, sampleRate: RATE_HZ, bitsPerSample: 16, channelCount: 1 });
      }
      if (at >= samples.length) {
        clearInterval(timer);
        resolve();
      }
    }, 10);
  });
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});

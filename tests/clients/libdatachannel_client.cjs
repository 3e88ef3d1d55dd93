// libdatachannel in node (node-datachannel) as a WHIP client, in the steps of OBS Studio, which is built on it: sound and
// video in one offer, posted before any candidate is known; speech once connected; no video where it is not taken.
// node libdatachannel_client.cjs FOLDER_OF_THE_PACKAGE OPUS_PACKETS ENDPOINT TOKEN
const fs = require("node:fs");
const path = require("node:path");

const [folder, packetsPath, endpoint, token] = process.argv.slice(2);
const { PeerConnection, Audio, Video } = require(path.join(folder, "node_modules", "node-datachannel"));
const PACKET_MS = 20;
const PAYLOAD_TYPE = 111;
const SSRC = 0x5eed;

async function ask(method, url, body) {
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/sdp" };
  const answer = await fetch(url, { method, headers, body });
  if (!answer.ok) throw new Error(`${method} was answered ${answer.status}: ${await answer.text()}`);
  return answer;
}

function apart(sdp) {
  const lines = sdp.split("\r\n");
  const candidates = lines.filter((line) => line.startsWith("a=candidate:"));
  return { candidates, rest: lines.filter((line) => !/^a=(candidate:|end-of-candidates)/.test(line)).join("\r\n") };
}

// Each packet behind its length, two bytes, big-endian.
function packetsOf(file) {
  const packets = [];
  for (let at = 0; at < file.length; ) {
    const length = file.readUInt16BE(at);
    packets.push(file.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return packets;
}

function rtp(payload, number) {
  const header = Buffer.alloc(12);
  header[0] = 0x80;
  header[1] = PAYLOAD_TYPE;
  header.writeUInt16BE((number + 65500) & 0xffff, 2);
  header.writeUInt32BE((number * PACKET_MS * 48 + 0xfffff000) >>> 0, 4);
  header.writeUInt32BE(SSRC, 8);
  return Buffer.concat([header, payload]);
}

async function main() {
  const packets = packetsOf(fs.readFileSync(packetsPath));
  const peer = new PeerConnection("whip", { iceServers: [], disableAutoNegotiation: true });
  const sound = new Audio("0", "SendOnly");
  sound.addOpusCodec(PAYLOAD_TYPE);
  sound.addSSRC(SSRC, "cname", "stream", "stream-audio");
  const picture = new Video("1", "SendOnly");
  picture.addH264Codec(96);
  picture.addSSRC(SSRC + 1, "cname", "stream", "stream-video");
  const audio = peer.addTrack(sound);
  const video = peer.addTrack(picture);
  const open = new Promise((resolve, reject) => {
    audio.onOpen(resolve);
    peer.onStateChange((state) => state === "failed" && reject(new Error("the connection failed")));
  });
  peer.setLocalDescription("offer");
  const answer = await ask("POST", endpoint, apart(peer.localDescription().sdp).rest);
  const session = new URL(answer.headers.get("location"), endpoint);
  // While libdatachannel takes an answer, its ICE already connects, and where that is sooner, as it can be on one
  // machine, the server's certificate is refused: its fingerprint is not known yet. So candidates come after the rest.
  const { rest, candidates } = apart(await answer.text());
  peer.setRemoteDescription(rest, "answer");
  for (const candidate of candidates) peer.addRemoteCandidate(candidate, "0");
  await open;
  await speak(audio, packets);
  console.log(`audio ${audio.isOpen()}, video ${video.isOpen()}`); // DELETE closes what is open
  await ask("DELETE", session);
  peer.close();
}

function speak(track, packets) {
  const began = performance.now();
  let number = 0;
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      for (; number < packets.length && number * PACKET_MS <= performance.now() - began; number += 1) {
        track.sendMessageBinary(rtp(packets[number], number));
      }
      if (number === packets.length) {
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

// Deepgram's own client for JavaScript, unchanged: a recording of raw samples, live and then posted.
// usage: node deepgram_client.cjs <folder of packages> <file of 16 kHz s16 samples> <WAV file> <host:port> <key>
"use strict";

const fs = require("node:fs");

const [folder, samples, wav, server, key] = process.argv.slice(2);
const { DeepgramClient } = require(require.resolve("@deepgram/sdk", { paths: [folder] }));

async function live(client) {
  const connection = await client.listen.v1.connect({
    model: "nova-3",
    encoding: "linear16",
    sample_rate: 16000,
    interim_results: "true",
    reconnectAttempts: 0,
  });
  const told = [];
  const closed = new Promise((resolve, reject) => {
    connection.on("message", (message) => {
      told.push(message);
      if (message.type === "Metadata") resolve();
    });
    connection.on("error", reject);
  });
  connection.connect();
  await connection.waitForOpen();
  const sound = fs.readFileSync(samples);
  for (let at = 0; at < sound.length; at += 6400) connection.sendMedia(sound.subarray(at, at + 6400));
  connection.sendFinalize({ type: "Finalize" });
  connection.sendKeepAlive({ type: "KeepAlive" });
  connection.sendCloseStream({ type: "CloseStream" });
  await closed;
  connection.close();
  const finals = told.filter((message) => message.type === "Results" && message.is_final);
  return finals.map((message) => message.channel.alternatives[0].transcript).join(" ").trim();
}

async function posted(client) {
  const answer = await client.listen.v1.media.transcribeFile(fs.createReadStream(wav), { model: "nova-3" });
  return answer.results.channels[0].alternatives[0].transcript;
}

async function main() {
  const environment = { base: `http://${server}`, production: `ws://${server}`, agent: "", agentRest: "" };
  const client = new DeepgramClient({ apiKey: key, environment });
  console.log(JSON.stringify({ live: await live(client), posted: await posted(client) }));
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

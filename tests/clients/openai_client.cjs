// OpenAI's own client in node, unchanged: a file's words, the same as a stream, and a Realtime session as a page opens it.
// node openai_client.cjs FOLDER_OF_THE_PACKAGES WAV PCM_24_KHZ BASE_URL KEY
const fs = require("node:fs");
const path = require("node:path");

const [folder, wav, pcm, baseURL, apiKey] = process.argv.slice(2);
const packages = path.join(folder, "node_modules");
const OpenAI = require(path.join(packages, "openai"));
const { OpenAIRealtimeWebSocket } = require(path.join(packages, "openai", "realtime", "websocket"));
globalThis.WebSocket = require(path.join(packages, "ws")).WebSocket;

const client = new OpenAI.OpenAI({ apiKey, baseURL, maxRetries: 0 });

async function transcribed() {
  const file = fs.createReadStream(wav);
  return (await client.audio.transcriptions.create({ model: "whisper-1", file })).text;
}

async function streamed() {
  const file = fs.createReadStream(wav);
  let text = "";
  for await (const event of await client.audio.transcriptions.create({ model: "gpt-4o-transcribe", file, stream: true })) {
    if (event.type === "transcript.text.delta") text += event.delta;
  }
  return text;
}

function spoken() {
  return new Promise((resolve, reject) => {
    // Their address is wss alone; a page's own server has TLS, a test's has none.
    const onURL = (url) => (url.protocol = "ws:");
    const socket = new OpenAIRealtimeWebSocket({ model: "gpt-4o-transcribe", onURL }, client);
    socket.on("error", reject);
    socket.on("session.created", () => {
      socket.send({ type: "session.update", session: { type: "transcription", audio: { input: { turn_detection: null } } } });
      socket.send({ type: "input_audio_buffer.append", audio: fs.readFileSync(pcm).toString("base64") });
      socket.send({ type: "input_audio_buffer.commit" });
    });
    socket.on("conversation.item.input_audio_transcription.completed", (event) => {
      socket.close();
      resolve(event.transcript);
    });
  });
}

async function main() {
  console.log(JSON.stringify({ transcribed: await transcribed(), streamed: await streamed(), spoken: await spoken() }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

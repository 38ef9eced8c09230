// Answers "ping" with "pong": a bot that reads the stream of events, in JavaScript (Node 18) without further packages.
//
// Each message is answered once, also where this program or the service is killed: the place in the stream is
// noted behind the answer, and an answer that is asked for twice has the same `Idempotency-Key`.

import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";

const { TEIMOSO_URL = "http://127.0.0.1:8090", TEIMOSO_API_KEY, BOT_PLACE = "bot.place" } = process.env;

const request = (path, { headers, ...rest } = {}) =>
  fetch(TEIMOSO_URL + path, { headers: { "X-Api-Key": TEIMOSO_API_KEY, ...headers }, ...rest });

// Yields places in the stream, each with its event, or with null where nothing happened.
async function* events() {
  const headers = existsSync(BOT_PLACE) ? { "Last-Event-ID": readFileSync(BOT_PLACE, "utf8") } : {};
  const stream = await request("/api/events?events=message.received", { headers });
  if ([401, 403].includes(stream.status)) throw new TypeError("the API key is refused", { cause: "key" });
  if (!stream.ok) throw new Error(`HTTP ${stream.status}`);
  const decoder = new TextDecoder();
  let rest = "", place = null, data = null;
  for await (const chunk of stream.body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("id: ")) place = line.slice(4);
      else if (line.startsWith("data: ")) data = JSON.parse(line.slice(6));
      else if (line === "" && place !== null) {
        yield [place, data];
        place = data = null;
      }
    }
  }
}

// Replaces the file at once: a kill leaves the place before or this one.
function note(place) {
  writeFileSync(`${BOT_PLACE}.new`, place);
  renameSync(`${BOT_PLACE}.new`, BOT_PLACE);
}

async function answer({ connection, chat, direction, text, id }) {
  if (direction !== "in" || (text ?? "").trim().toLowerCase() !== "ping") return;
  const said = await request("/api/messages", {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": `pong-${id}` },
    body: JSON.stringify({ connection, to: chat, text: "pong", reply_to: id }),
  });
  if (said.status === 429 || said.status >= 500) throw new Error(`HTTP ${said.status}`); // it is asked for again
  if (!said.ok) console.error(`refused: ${(await said.json()).code}`);
}

for (;;) {
  try {
    for await (const [place, event] of events()) {
      if (event?.type === "message.received") await answer(event.data);
      note(place);
    }
  } catch (away) {
    if (away.cause === "key") {
      console.error(away.message);
      process.exit(1);
    }
    console.error(`again in 2 s: ${away.cause ?? away.message}`);
  }
  await new Promise((wake) => setTimeout(wake, 2000));
}

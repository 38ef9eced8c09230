// Receives the deliveries of a webhook and keeps each event once, in JavaScript (Node 18) without further packages.
//
// An event is on disk, a file of its own in `events/`, before it is acknowledged. Deliveries whose signature is
// not that of TEIMOSO_WEBHOOK_SECRET, or older than five minutes, are refused, and so are those of more than 32 MiB.

import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { mkdir, open, rename } from "node:fs/promises";
import { createServer } from "node:http";

const { TEIMOSO_WEBHOOK_SECRET, PORT = "8099" } = process.env;
const SECRET = Buffer.from(TEIMOSO_WEBHOOK_SECRET.replace(/^whsec_/, ""), "base64");
const LARGEST = 32 << 20;

await mkdir("events", { recursive: true });

// One of the signatures is that of the secret, or of the one before it.
function isSigned(headers, body) {
  const sent = headers["webhook-timestamp"] ?? "";
  if (!/^\d+$/.test(sent) || Math.abs(Date.now() / 1000 - Number(sent)) > 300) return false;
  const words = Buffer.concat([Buffer.from(`${headers["webhook-id"]}.${sent}.`), body]);
  const expected = Buffer.from(`v1,${createHmac("sha256", SECRET).update(words).digest("base64")}`);
  return (headers["webhook-signature"] ?? "").split(" ").some((each) => {
    const given = Buffer.from(each);
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}

// Written beside and renamed, each synced: a kill leaves no half of an event, and a repetition replaces it by itself.
async function keep(identity, body) {
  const name = `events/${identity.replace(/[^\w-]/g, "_")}.json`;
  const beside = `${name}.${randomUUID()}`;
  const file = await open(beside, "w");
  await file.writeFile(body);
  await file.sync();
  await file.close();
  await rename(beside, name);
  const folder = await open("events");
  await folder.sync();
  await folder.close();
}

async function receive(request, response) {
  const parts = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length > LARGEST) return response.writeHead(413).end(() => request.destroy());
    parts.push(part);
  }
  const body = Buffer.concat(parts);
  if (request.method !== "POST") return response.writeHead(405).end();
  if (!isSigned(request.headers, body)) return response.writeHead(401).end();
  await keep(request.headers["webhook-id"], body);
  response.writeHead(204).end();
}

createServer((request, response) => {
  receive(request, response).catch((trouble) => {
    console.error(trouble.message); // it is delivered again
    response.headersSent ? response.destroy() : response.writeHead(500).end();
  });
}).listen(Number(PORT), "127.0.0.1");

#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// What a product page does: reads availability from Redis, never from the engine.
//
//     ./storefront.mjs 127.0.0.1 7422 web TEE-BLK-M MUG-ALPS
//
// For each SKU it prints what one order on that channel could take now, then how old that is. All
// is asked in one round trip. What a page shows may be some milliseconds old; the engine's
// `reserve` decides. Exit status: 0 it could be read, 1 not, 2 usage.
//
// Any Redis client does. To need none, this speaks the two forms of Redis's protocol that it meets.

import net from "node:net";

const STALE_MS = 2000; // stock:mirror moves every 250 ms as long as all is well

const encode = (words) =>
  `*${words.length}\r\n` + words.map((w) => `$${Buffer.byteLength(w)}\r\n${w}\r\n`).join("");

// One reply of the buffer at a place: [value, place after it], or null if it has not come whole.
function decode(buffer, at) {
  const end = buffer.indexOf("\r\n", at);
  if (end < 0) return null;
  const kind = String.fromCharCode(buffer[at]);
  const rest = buffer.toString("utf8", at + 1, end);
  const length = Number(rest);
  at = end + 2;
  if (kind === "-") throw new Error(rest);
  if (kind === "$" && length >= 0)
    return at + length + 2 <= buffer.length
      ? [buffer.toString("utf8", at, at + length), at + length + 2] : null;
  if (kind !== "*") return [kind === "$" ? null : rest, at];
  const values = [];
  for (let i = 0; i < length; i++) {
    const element = decode(buffer, at);
    if (!element) return null;
    values.push(element[0]);
    at = element[1];
  }
  return [values, at];
}

// Sends the commands, and resolves to their replies.
function ask(host, port, commands) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, host, () => socket.write(commands.map(encode).join("")));
    let buffer = Buffer.alloc(0);
    socket.setTimeout(2000, () => socket.destroy(new Error("no answer")));
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("connection closed")));
    socket.on("data", (data) => {
      buffer = Buffer.concat([buffer, data]);
      try {
        const all = decode(Buffer.concat([Buffer.from(`*${commands.length}\r\n`), buffer]), 0);
        if (all) resolve(all[0]), socket.destroy();
      } catch (error) {
        socket.destroy(error);
      }
    });
  });
}

const [host, port, channel, ...skus] = process.argv.slice(2);
if (skus.length === 0) {
  console.error("usage: storefront.mjs HOST PORT CHANNEL SKU...");
  process.exit(2);
}
const commands = skus.map((sku) => ["HGET", `stock:item:${sku}`, channel]);
commands.push(["HMGET", "stock:mirror", "time_ms", "behind_ms", "state"]);
try {
  const replies = await ask(host, Number(port), commands);
  const [time, behind, state] = replies.pop();
  skus.forEach((sku, i) => // no such field: no such item on that channel
    console.log(replies[i] === null ? `${sku}: unknown` : `${sku}: ${replies[i]} available`));
  // time_ms: when the mirror last wrote; behind_ms: how much older what it shows may be.
  const age = Math.max(0, Date.now() - Number(time) + Number(behind));
  const fresh = state === "live" && age < STALE_MS;
  console.log(time === null ? "STALE: there is no mirror"
                            : `${fresh ? "fresh" : "STALE"}: ${age} ms old`);
} catch (error) {
  console.error(`Redis: ${error.message}`);
  process.exit(1);
}

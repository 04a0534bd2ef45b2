// node-redis and its client-side cache against a server: node node_redis.cjs PORT [CA CERTIFICATE KEY], where
// require("redis") finds it. With files it speaks TLS. Ends with 0 and "ok" when all is well.
const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");
const { setTimeout: pause } = require("node:timers/promises");
const { BasicClientSideCache, createClient } = require("redis");

async function until(condition, what) {
  for (let n = 0; n < 2000; n++) {
    if (await condition()) return;
    await pause(5);
  }
  assert.fail(`${what} did not come true`);
}

async function use(port, files) {
  const [ca, cert, key] = files.map((file) => readFileSync(file));
  const socket = { host: "127.0.0.1", port, ...(files.length ? { tls: true, ca, cert, key } : {}) };
  const cache = new BasicClientSideCache({ ttl: 0, maxEntries: 100, evictPolicy: "LRU" });
  const reader = createClient({ RESP: 3, socket, clientSideCache: cache });
  const writer = createClient({ socket });
  for (const client of [reader, writer]) {
    client.on("error", (error) => { console.error(error); process.exit(1); });
    await client.connect();
  }

  assert.equal(await writer.set("k", "1"), "OK");
  assert.equal(await reader.get("k"), "1");
  assert.equal(await reader.get("k"), "1");
  assert.equal(cache.stats().hitCount, 1);
  await writer.set("k", "2");
  await until(async () => (await reader.get("k")) === "2", "the new value is read");

  await writer.hSet("h", { a: "1" });
  assert.deepEqual({ ...(await reader.hGetAll("h")) }, { a: "1" });
  await writer.flushAll();                                              // all is invalid
  await until(async () => (await reader.get("k")) === null, "what was flushed is gone");
  await writer.set("short", "1", { PX: 30 });
  await reader.get("short");
  await until(async () => (await reader.get("short")) === null, "what expires is told, too");

  // No read behind an acknowledged write of one's own is stale.
  for (let n = 0; n < 300; n++) {
    await reader.set("own", String(n));
    assert.equal(await reader.get("own"), String(n));
  }
  const counts = await Promise.all(Array.from({ length: 1000 }, () => writer.incr("many")));
  assert.deepEqual(counts, Array.from({ length: 1000 }, (_, i) => i + 1));
  await until(async () => (await reader.get("many")) === "1000", "the last of many changes is seen");
  const big = "x".repeat(5 << 20);
  await writer.set("big", big);
  assert.equal(await reader.get("big"), big);
  assert.deepEqual(await writer.multi().incr("n").get("n").exec(), [1, "1"]);

  for (const client of [reader, writer]) client.destroy();
}

use(Number(process.argv[2]), process.argv.slice(3)).then(() => console.log("ok"), (error) => { console.error(error); process.exit(1); });

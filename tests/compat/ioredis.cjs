// ioredis against a server: node ioredis.cjs PORT [CA CERTIFICATE KEY], where require("ioredis") finds it. With files it
// speaks TLS. Ends with 0 and "ok" when all is well.
const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");
const Redis = require("ioredis");

async function use(port, files) {
  const [ca, cert, key] = files.map((file) => readFileSync(file));
  const tls = files.length ? { tls: { ca, cert, key } } : {};
  const redis = new Redis(port, "127.0.0.1", { maxRetriesPerRequest: 1, ...tls });   // asks INFO before it is ready
  assert.equal(await redis.set("k", "v"), "OK");
  assert.equal(await redis.get("k"), "v");
  assert.deepEqual(await redis.getBuffer("k"), Buffer.from("v"));
  await redis.hset("h", { a: 1, b: 2 });
  assert.deepEqual(await redis.hgetall("h"), { a: "1", b: "2" });
  await redis.zadd("z", 1, "one", 2, "two");
  assert.deepEqual(await redis.zrange("z", 0, -1, "WITHSCORES"), ["one", "1", "two", "2"]);
  await redis.sadd("s", "x", "y");
  assert.deepEqual((await redis.smembers("s")).sort(), ["x", "y"]);
  assert.deepEqual(await redis.pipeline().incr("n").incr("n").get("n").exec(), [[null, 1], [null, 2], [null, "2"]]);
  assert.deepEqual(await redis.multi().incr("n").get("n").exec(), [[null, 3], [null, "3"]]);
  await assert.rejects(redis.incr("k"), /not an integer/);
  const counts = await Promise.all(Array.from({ length: 1000 }, () => redis.incr("many")));
  assert.deepEqual(counts, Array.from({ length: 1000 }, (_, i) => i + 1));
  const big = "x".repeat(5 << 20);
  await redis.set("big", big);
  assert.equal(await redis.get("big"), big);

  const keys = [];
  for await (const some of redis.scanStream({ match: "*", count: 2 })) keys.push(...some);
  assert.deepEqual([...new Set(keys)].sort(), ["big", "h", "k", "many", "n", "s", "z"]);

  const listener = redis.duplicate();
  await listener.subscribe("news");
  const heard = new Promise((resolve) => listener.on("message", (channel, text) => resolve([channel, text])));
  await redis.publish("news", "hello");
  assert.deepEqual(await heard, ["news", "hello"]);
  await listener.unsubscribe("news");
  assert.equal(await listener.get("k"), "v");

  const waiting = redis.duplicate();
  const popped = waiting.blpop("queue", 5);
  await redis.rpush("queue", "job");
  assert.deepEqual(await popped, ["queue", "job"]);

  const monitor = await redis.monitor();
  const watched = new Promise((resolve) => monitor.on("monitor", (time, words) => words[0] === "set" && resolve(words)));
  await redis.set("seen", "1");
  assert.deepEqual(await watched, ["set", "seen", "1"]);

  for (const connection of [redis, listener, waiting, monitor]) connection.disconnect();
}

use(Number(process.argv[2]), process.argv.slice(3)).then(() => console.log("ok"), (error) => { console.error(error); process.exit(1); });

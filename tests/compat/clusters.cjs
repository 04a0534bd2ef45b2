// A program that counts in a cluster: node clusters.cjs ioredis|redis KEYS PORT..., where require finds the client.
// Until its input ends it counts keys up and down, several at a time, and prints how many were answered; then what each
// key must be, as JSON. The first error that reaches it ends it, with 1.
const [client, keys, ...ports] = process.argv.slice(2);
const AT_ONCE = 8;
const counts = {};
let answered = 0, over = false;

async function connected() {
  if (client === "ioredis") {
    const {Cluster} = require("ioredis");
    return new Cluster(ports.map((port) => ({host: "127.0.0.1", port: Number(port)})));
  }
  const {createCluster} = require("redis");
  return createCluster({rootNodes: ports.map((port) => ({url: `redis://127.0.0.1:${port}`}))}).connect();
}

function fail(error) {
  console.error(error);
  process.exit(1);
}

async function count(redis, worker) {
  for (let number = worker; !over; number += AT_ONCE) {
    const key = `{${client}:${number % Number(keys)}}`;
    const found = await redis.incr(key);
    counts[key] = (counts[key] || 0) + 1;
    if (found !== counts[key]) {
      throw new Error(`${key} was ${found} instead of ${counts[key]}`);
    }
    await redis.set(key + "text", String(found));
    const text = await redis.get(key + "text");
    if (text !== String(found)) {
      throw new Error(`${key}text was ${text} instead of ${found}`);
    }
    answered += 3;
  }
}

connected().then(async (redis) => {
  redis.on("error", fail);
  const told = setInterval(() => console.log(answered), 100);
  process.stdin.on("data", () => {}).on("end", () => { over = true; });
  await Promise.all(Array.from({length: AT_ONCE}, (_, worker) => count(redis, worker)));
  clearInterval(told);
  process.stdout.write(JSON.stringify(counts) + "\n", () => process.exit(0));
}).catch(fail);

// A program that writes through sentinels: node sentinels.cjs ioredis|redis NAME PORT..., where require finds the client.
// It counts up the key of its client's name, whatever befalls the master, and prints how often that was answered.
const [client, name, ...ports] = process.argv.slice(2);
const sentinels = ports.map((port) => ({host: "127.0.0.1", port: Number(port)}));

async function connected() {
  if (client === "ioredis") {
    const Redis = require("ioredis");
    const soon = () => 100;
    return new Redis({sentinels, name, sentinelRetryStrategy: soon, retryStrategy: soon, maxRetriesPerRequest: null})
      .on("error", () => {});
  }
  const {createSentinel} = require("redis");
  return createSentinel({name, sentinelRootNodes: sentinels, scanInterval: 500}).on("error", () => {}).connect();
}

connected().then((redis) => {
  let answered = 0;
  setInterval(() => redis.incr(client).then(() => { answered += 1; }, () => {}), 20);
  setInterval(() => console.log(answered), 200);
});

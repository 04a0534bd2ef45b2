// node bullmq_jobs.cjs PORT COUNT: so many small jobs are added, in batches, and done by one worker.
const { Queue, Worker } = require("bullmq");

const connection = { host: "127.0.0.1", port: Number(process.argv[2]), maxRetriesPerRequest: null };
const count = Number(process.argv[3]);

async function main() {
  const queue = new Queue("jobs", { connection });
  for (let n = 0; n < count; n += 1000) {
    const size = Math.min(1000, count - n);
    await queue.addBulk(Array.from({ length: size }, (_, i) => ({ name: "add", data: { a: n + i, b: 1 } })));
  }
  const worker = new Worker("jobs", async (job) => job.data.a + job.data.b,
    { connection, concurrency: 20, removeOnComplete: { count: 100 } });
  await new Promise((done) => {
    let left = count;
    worker.on("completed", () => { left -= 1; if (left === 0) done(); });
  });
  await worker.close();
  await queue.close();
}

main();

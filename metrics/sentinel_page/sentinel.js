// The page of a sentinel: asks again and again, and shows masters with their replicas and sentinels.

const PERIOD = 2000;                               // milliseconds
const PATIENCE = 13000;                            // for a reply

const state = document.getElementById("state");
const masters = document.getElementById("masters");

function element(name, text, bad = false) {
  const made = document.createElement(name);
  made.textContent = text;
  if (bad) made.className = "bad";
  return made;
}

function row(cell, texts, bad = false) {
  const made = document.createElement("tr");
  made.append(...texts.map((text) => element(cell, text, bad)));
  return made;
}

const down = (one) => /s_down|o_down|master_down|disconnected/.test(one.flags);

function table(titles, rows) {
  const made = document.createElement("table");
  made.append(row("th", titles), ...rows);
  return made;
}

function shown(master) {
  const made = document.createElement("section");
  made.append(element("h2", `${master.name} at ${master.address}`));
  const failover = master.failover === "none" ? "" : `, failover: ${master.failover}`;
  made.append(element("p", `${master.status}, epoch ${master.config_epoch}, quorum ${master.quorum}${failover}`,
    master.status !== "ok"));
  if (!master.has_quorum) made.append(element("p", "Too few sentinels are up to replace it.", true));
  made.append(table(["replica", "flags", "link to master", "offset", "priority", "last answer"],
    master.replicas.map((one) => row("td", [one.address, one.flags, one.link_up ? "up" : "down", one.offset,
      one.priority, `${one.ping_ms} ms ago`], down(one) || !one.link_up))));
  const itself = row("td", ["this one", master.seen_by.slice(0, 12), "sentinel", "–"]);
  const others = master.sentinels.map((one) => row("td",
    [one.address, one.id.slice(0, 12), one.flags, `${one.hello_ms} ms ago`], down(one)));
  made.append(table(["sentinel", "id", "flags", "last hello"], [itself, ...others]));
  return made;
}

async function ask() {
  try {
    const reply = await fetch("masters.json", {signal: AbortSignal.timeout(PATIENCE)});
    const told = await reply.json();
    if (!reply.ok) throw new Error(told.refused);
    masters.replaceChildren(...told.map(shown));
    state.textContent = `${told.length} masters`;
    document.body.dataset.state = "live";
  } catch (error) {
    state.textContent = `no answer: ${error.message}`;
    document.body.dataset.state = "stale";
  }
  setTimeout(ask, PERIOD);
}

ask();

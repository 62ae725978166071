// A server with the symmetric extension in both eras, in JavaScript, written from docs/symmetric.md with nothing but Node.js.
// It offers the tools of docs/symmetric-conformance.md, and is judged by tests/conformance/test_symmetric.py.

import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline";

const EXTENSION = "dev.mcpsym/symmetric";
const ENVELOPE = "io.modelcontextprotocol/";
const TIME_TO_LIVE = Number(process.env.MCPSYM_TIME_TO_LIVE ?? "300") * 1000;
const SUBSCRIBING = ["resources/subscribe", "resources/unsubscribe", "dev.mcpsym/updates"];

const send = (frame) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...frame }) + "\n");
const textOf = (result) => result.content.map((block) => block.text).join("");

class Refusal extends Error {
  constructor(code, message, data) {
    super(message);
    this.error = { code, message, ...(data === undefined ? {} : { data }) };
  }
}

// What a handler sees of its client. `signal` says that the handler was cancelled, which ends every call that it waits for.
class Client {
  constructor(declared, modern) {
    Object.assign(this, { declared, modern, abort: new AbortController(), token: undefined });
  }

  need(method, params) {
    const family = method.split("/")[0];
    const member = family === "completion" || family === "dev.mcpsym" ? "resources" : family;
    const offered = this.declared?.[member];
    let missing = {};
    if (SUBSCRIBING.includes(method) && !offered?.subscribe) missing = { subscribe: true };
    else if (member === "sampling" && params.tools && !offered?.tools) missing = { tools: {} };
    else if (offered) return;
    const requiredCapabilities = { extensions: { [EXTENSION]: { [member]: missing } } };
    throw new Refusal(this.modern ? -32021 : -32602, `the client offers no ${member}`, { requiredCapabilities });
  }

  async ask(method, params, watch) {
    this.need(method, params);
    const answer = await this.carry(method, params, watch);
    if (!answer.error) return answer.result;
    const refusal = new Refusal(0, "");
    refusal.error = answer.error;
    throw refusal;
  }

  waiting(settle, giveUp) {
    return new Promise((resolve, reject) => {
      settle(resolve);
      const end = () => (giveUp?.(), reject(new Error("cancelled")));
      this.abort.signal.aborted ? end() : this.abort.signal.addEventListener("abort", end, { once: true });
    });
  }

  async tool(name, args = {}) {
    return textOf(await this.ask("tools/call", { name, arguments: args }));
  }

  async tools() {
    const found = [];
    for (let params = {}; ; ) {
      const page = await this.ask("tools/list", params);
      found.push(...page.tools);
      if (!("nextCursor" in page)) return found;
      params = { cursor: page.nextCursor };
    }
  }

  report(params) {
    if (this.token !== undefined) send({ method: "notifications/progress", params: { ...params, progressToken: this.token } });
  }
}

// The handshake era: requests of the server's own.
const mirrored = new Map();
const watching = new Map();
let sent = 0;

class Mirrored extends Client {
  constructor(declared, cause) {
    super(declared, false);
    this.cause = cause;
  }

  carry(method, params, watch) {
    const id = ++sent;
    const meta = { "dev.mcpsym/cause": this.cause, ...(watch ? { progressToken: id } : {}) };
    if (watch) watching.set(id, watch);
    send({ id, method, params: { ...params, _meta: meta } });
    const giveUp = () => {
      if (mirrored.delete(id)) send({ method: "notifications/cancelled", params: { requestId: id, reason: "nobody waits any more" } });
    };
    return this.waiting((resolve) => mirrored.set(id, resolve), giveUp).finally(() => watching.delete(id));
  }
}

// The modern era: calls in legs.
class Legs extends Client {
  constructor(declared) {
    super(declared, true);
    Object.assign(this, { posted: {}, open: new Map(), kept: [], parked: false, minted: 0, done: undefined, news: () => {} });
  }

  carry(method, params) {
    const key = `c${++this.minted}`;
    this.posted[key] = { method, params };
    setImmediate(() => this.news());
    return this.waiting((resolve) => this.open.set(key, resolve));
  }

  report(params) {
    if (this.parked) this.kept.push(params);
    else super.report(params);
  }

  async leg(responses, token) {
    Object.assign(this, { token, parked: false });
    for (const params of this.kept.splice(0)) this.report(params);
    for (const [key, answer] of Object.entries(responses)) {
      this.open.get(key)(answer);
      this.open.delete(key);
    }
    const partial = this.open.size > 0;
    if (!this.done && Object.keys(this.posted).length === 0) {
      await new Promise((resolve) => {
        this.news = resolve;
        if (partial) setTimeout(resolve, 100);
      });
    }
    if (this.done) return undefined;
    this.parked = true;
    const calls = this.posted;
    this.posted = {};
    return calls;
  }
}

let running = 0;

const tools = {
  async call(client, { name, arguments: args }) {
    try {
      return await client.ask("tools/call", { name, arguments: args });
    } catch (refusal) {
      if (!refusal.error || refusal.error.data?.requiredCapabilities) throw refusal;
      return { content: [{ type: "text", text: JSON.stringify(refusal.error) }], isError: true };
    }
  },
  names: async (client) => (await client.tools()).map((tool) => tool.name).join("\n"),
  read: async (client, { uri }) => (await client.ask("resources/read", { uri })).contents.map((each) => each.text).join(""),
  async in_turn(client, { names }) {
    const said = [];
    for (const name of names) said.push(await client.tool(name));
    return said.join("\n");
  },
  together: async (client, { names }) => (await Promise.all(names.map((name) => client.tool(name)))).join("\n"),
  async sample(client, { text }) {
    const messages = [{ role: "user", content: { type: "text", text } }];
    const params = { messages, maxTokens: 100, tools: await client.tools() };
    return (await client.ask("sampling/createMessage", params)).content.text;
  },
  async report(client, { name }) {
    client.report({ progress: 1, total: 2 });
    const said = await client.tool(name);
    client.report({ progress: 2, total: 2 });
    return said;
  },
  watch: async (client, { name }) =>
    textOf(await client.ask("tools/call", { name, arguments: {} }, (told) => client.report(told))),
  async hurry(client, { name }) {
    const timer = setTimeout(() => client.abort.abort(), 200);
    try {
      return await client.tool(name);
    } catch {
      return "given up";
    } finally {
      clearTimeout(timer);
    }
  },
  async follow(client, { uri }) {
    await client.ask("resources/subscribe", { uri });
    const { uris } = await client.ask("dev.mcpsym/updates", {});
    await client.ask("resources/unsubscribe", { uri });
    return uris.join("\n");
  },
  async stuck(client, { name }) {
    if (name) await client.tool(name);
    return client.waiting(() => {});
  },
  running: async () => String(running - 1),
};

async function run(client, params) {
  running += 1;
  try {
    const said = await tools[params.name](client, params.arguments ?? {});
    return typeof said === "string" ? { content: [{ type: "text", text: said }] } : said;
  } finally {
    running -= 1;
  }
}

const declaration = (capabilities) => capabilities.extensions?.[EXTENSION];
const wellFormed = (answer) =>
  answer !== null &&
  typeof answer === "object" &&
  "result" in answer !== "error" in answer &&
  ("result" in answer
    ? answer.result !== null && typeof answer.result === "object"
    : Number.isInteger(answer.error?.code) && typeof answer.error.message === "string");

let shaken;
const open = new Map(); // what is being handled, by the JSON text of its id
const parked = new Map();
const spent = new Map();

function find(continuation) {
  const legs = parked.get(continuation);
  if (legs) return legs;
  const reason = spent.get(continuation) ?? "unknown";
  throw new Refusal(-32602, "this continuation cannot be continued", { reason });
}

function useUp(continuation, reason) {
  const legs = find(continuation);
  parked.delete(continuation);
  spent.set(continuation, reason);
  return legs;
}

async function leg(legs, responses, token, id) {
  open.set(id, legs);
  const calls = await legs.leg(responses, token);
  if (calls === undefined) return { resultType: "complete", ...(await legs.done) };
  const continuation = randomBytes(32).toString("base64url");
  parked.set(continuation, legs);
  setTimeout(() => parked.has(continuation) && useUp(continuation, "expired").abort.abort(), TIME_TO_LIVE).unref();
  return { resultType: "dev.mcpsym/calls", calls, continuation };
}

function serve(id, method, params) {
  const meta = params._meta ?? {};
  const modern = `${ENVELOPE}protocolVersion` in meta;
  const declared = modern ? declaration(meta[`${ENVELOPE}clientCapabilities`]) : shaken;
  const key = JSON.stringify(id);
  switch (modern || !method.startsWith("dev.mcpsym/") ? method : "") {
    case "initialize":
      shaken = declaration(params.capabilities);
      return { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo: { name: "plain", version: "1" } };
    case "server/discover":
      return { supportedVersions: ["2026-07-28"], capabilities: { tools: {}, extensions: { [EXTENSION]: {} } }, resultType: "complete" };
    case "ping":
      return {};
    case "tools/list":
      return { tools: Object.keys(tools).map((name) => ({ name, inputSchema: { type: "object" } })) };
    case "tools/call": {
      const client = modern ? new Legs(declared) : new Mirrored(declared, id);
      client.token = meta.progressToken;
      open.set(key, client);
      const result = run(client, params);
      if (!modern) return result;
      const ended = () => {
        client.done = result;
        client.news();
      };
      result.then(ended, ended);
      return leg(client, {}, meta.progressToken, key);
    }
    case "dev.mcpsym/continue": {
      if (declared === undefined) new Client(undefined, true).need("tools/call", {});
      const legs = find(params.continuation);
      const wrong = Object.entries(params.responses).filter(([name, answer]) => !legs.open.has(name) || !wellFormed(answer));
      if (wrong.length) throw new Refusal(-32602, "these responses answer no call", { keys: wrong.map(([name]) => name).sort() });
      useUp(params.continuation, "replayed");
      return leg(legs, params.responses, meta.progressToken, key);
    }
    case "dev.mcpsym/cancel":
      useUp(params.continuation, "replayed").abort.abort();
      return { resultType: "complete" };
    default:
      throw new Refusal(-32601, "Method not found");
  }
}

async function answer({ id, method, params = {} }) {
  try {
    send({ id, result: await serve(id, method, params) });
  } catch (error) {
    if (error.error) send({ id, error: error.error });
  } finally {
    open.delete(JSON.stringify(id));
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const frame = JSON.parse(line);
  if (frame.method === undefined) {
    const resolve = mirrored.get(frame.id);
    mirrored.delete(frame.id);
    resolve?.(frame);
  } else if ("id" in frame) answer(frame);
  else if (frame.method === "notifications/cancelled") open.get(JSON.stringify(frame.params.requestId))?.abort.abort();
  else if (frame.method === "notifications/progress") {
    const { progressToken, ...told } = frame.params;
    watching.get(progressToken)?.(told);
  }
});

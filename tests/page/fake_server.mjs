// A server that answers the page as `larql serve` does (docs/page.md), with answers and a cluster that a test makes up.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

import { fakeCluster } from "./fake_cluster.mjs";

const WEB = join(dirname(fileURLToPath(import.meta.url)), "../../cli/serve/page/web");
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};
// The same as in cli/serve/page/page_reply.cpp; page_reply_test.cpp compares them.
export const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/** An answer under way: what has been written is kept, as long as somebody reads it or was here a moment ago. */
class Answer {
  log = Buffer.alloc(0);
  ended = false;
  stopped = false;
  readers = new Set();
  waiting = [];

  write(event) {
    if (this.stopped) return;
    this.log = Buffer.concat([this.log, Buffer.from(event === null ? "\n" : `${JSON.stringify(event)}\n`)]);
    this.wake();
  }

  end() {
    this.ended = true;
    this.wake();
  }

  wake() {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  async *from(offset) {
    for (let at = offset; ;) {
      if (at < this.log.length) {
        const bytes = this.log.subarray(at);
        at = this.log.length;
        yield bytes;
      } else if (this.ended || this.stopped) return;
      else await new Promise((resolve) => this.waiting.push(resolve));
    }
  }
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Text in pieces of about a token. */
export function pieces(text) {
  return text.match(/\s*[^\s]{1,6}|\s+/g) ?? [];
}

export class FakeServer {
  answers = new Map();
  requests = []; // bodies of answers that were asked for
  key = null;
  isLoading = false;
  keptMs = 60_000;
  tokenMs = 5;
  /** What is answered: a text, {text, thoughts, reason, error, status}, or an async generator of events. */
  answer = () => "Hello.";
  cluster;
  connections = new Set();

  static async start(options = {}) {
    const fake = Object.assign(new FakeServer(), options);
    fake.cluster ??= fakeCluster();
    fake.server = createServer((request, response) => fake.handle(request, response).catch((e) => response.destroy(e)));
    fake.server.on("connection", (socket) => {
      fake.connections.add(socket);
      socket.on("close", () => fake.connections.delete(socket));
    });
    await new Promise((resolve) => fake.server.listen(options.port ?? 0, "127.0.0.1", resolve));
    fake.port = fake.server.address().port;
    fake.url = `http://127.0.0.1:${fake.port}/`;
    return fake;
  }

  async close() {
    this.cutConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** As if the network had gone for a moment. */
  cutConnections() {
    for (const socket of this.connections) socket.destroy();
  }

  async handle(request, response) {
    const { pathname } = new URL(request.url, "http://x");
    if (
      request.method === "GET" &&
      (pathname === "/" || (pathname.startsWith("/page/") && !pathname.startsWith("/page/answers/")))
    )
      return this.file(pathname, response);
    if (this.key !== null && request.headers.authorization !== `Bearer ${this.key}`)
      return this.refuse(response, 401, { message: "an API key is needed", type: "authentication_error" });
    if (pathname === "/cluster") {
      if (this.isLoading)
        return this.refuse(response, 503, { message: "the model is being loaded" }, { "Retry-After": "1" });
      return this.json(response, 200, this.cluster.snapshot());
    }
    const path = /^\/page\/answers\/([0-9a-f]{32})(?:\/(\d+|stop))?$/.exec(pathname);
    if (!path) return this.refuse(response, 404, { message: `there is no ${pathname}` });
    const [, id, rest] = path;
    if (request.method === "POST" && rest === "stop") return this.stop(id, response);
    if (request.method === "POST") return this.ask(id, JSON.parse(await bodyOf(request)), response);
    const answer = this.answers.get(id);
    if (!answer || answer.stopped) return this.refuse(response, 404, { message: "this answer is not kept any more" });
    return this.stream(answer, Number(rest), response);
  }

  async file(pathname, response) {
    const name = pathname === "/" ? "index.html" : normalize(pathname.slice("/page/".length));
    const headers = {
      "Content-Type": TYPES[extname(name)] ?? "application/octet-stream",
      "Content-Security-Policy": CONTENT_SECURITY_POLICY,
      "X-Content-Type-Options": "nosniff",
      "Referrer-Policy": "no-referrer",
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Resource-Policy": "same-origin",
      "Cache-Control": "no-cache",
    };
    let body;
    try {
      body = await readFile(join(WEB, name));
    } catch {
      return this.refuse(response, 404, { message: "there is no such file" });
    }
    response.writeHead(200, headers);
    response.end(body);
  }

  json(response, status, body, headers = {}) {
    response.writeHead(status, {
      "Content-Type": "application/json; charset=utf-8",
      "Cache-Control": "no-store",
      ...headers,
    });
    response.end(JSON.stringify(body));
  }

  refuse(response, status, error, headers) {
    this.json(response, status, { error }, headers);
  }

  stop(id, response) {
    const answer = this.answers.get(id);
    if (answer) answer.stopped = true;
    answer?.wake();
    this.json(response, 200, {});
  }

  ask(id, body, response) {
    if (this.answers.has(id)) return this.stream(this.answers.get(id), 0, response);
    this.requests.push(body);
    const made = this.answer(body, this.requests.length);
    if (made?.status) return this.refuse(response, made.status, made.error, made.headers);
    const answer = new Answer();
    this.answers.set(id, answer);
    this.run(answer, made, body).finally(() => answer.end());
    return this.stream(answer, 0, response);
  }

  async run(answer, made, body) {
    const events =
      typeof made === "string" || made.next === undefined
        ? this.events(typeof made === "string" ? { text: made } : made, body)
        : made;
    this.cluster.running += 1;
    for await (const event of events) {
      if (answer.stopped) break;
      answer.write(event);
    }
    this.cluster.running -= 1;
  }

  async *events({ text = "", thoughts = "", reason = "stop", error, prompt = 40 }, body) {
    yield { progress: { read: 0, cached: 16, total: prompt } };
    await sleep(this.tokenMs);
    let tokens = 0;
    for (const [kind, all] of [
      ["thought", thoughts],
      ["text", text],
    ])
      for (const piece of pieces(all)) {
        await sleep(this.tokenMs);
        this.cluster.token();
        ++tokens;
        yield { [kind]: piece };
      }
    if (error) yield { error };
    else yield { end: endOf(tokens, pieces(thoughts).length, reason, body.seed ?? 4711) };
  }

  async stream(answer, offset, response) {
    response.writeHead(200, { "Content-Type": "application/x-ndjson; charset=utf-8", "Cache-Control": "no-store" });
    response.flushHeaders();
    answer.readers.add(response);
    response.on("close", () => {
      answer.readers.delete(response);
      if (answer.readers.size > 0) return;
      setTimeout(() => {
        if (answer.readers.size === 0) answer.stopped = true;
        answer.wake();
      }, this.keptMs).unref();
    });
    for await (const bytes of answer.from(offset))
      if (!response.write(bytes))
        await new Promise((resolve) => response.once("drain", resolve).once("close", resolve));
    response.end();
  }
}

function endOf(tokens, thoughts, reason, seed) {
  return {
    reason,
    seed,
    usage: {
      prompt_tokens: 40,
      completion_tokens: tokens,
      total_tokens: 40 + tokens,
      prompt_tokens_details: { cached_tokens: 16 },
      completion_tokens_details: { reasoning_tokens: thoughts },
    },
    timings: {
      prompt_ms: 812,
      predicted_ms: 70 * tokens,
      queued_ms: 0.2,
      nodes: 2,
      round_trips: 30 * tokens,
      sent_bytes: 6200 * 30 * tokens,
      received_bytes: 28_000 * 30 * tokens,
    },
  };
}

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

// For a look by hand: node fake_server.mjs [PORT]
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { ANSWERS } = await import("./samples.mjs");
  const fake = await FakeServer.start({ port: Number(process.argv[2] ?? 8099), tokenMs: 30 });
  fake.answer = (body) => ANSWERS.find((a) => a.for.test(body.messages.at(-1).content)) ?? ANSWERS.at(-1);
  console.log(fake.url);
}

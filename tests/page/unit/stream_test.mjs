import assert from "node:assert/strict";
import test from "node:test";

import { applyEvent, parseEvent } from "../../../cli/serve/page/web/stream/events.js";
import { ApiError } from "../../../cli/serve/page/web/stream/errors.js";
import { LineReader } from "../../../cli/serve/page/web/stream/lines.js";
import { AnswerGone, readAnswer } from "../../../cli/serve/page/web/stream/reader.js";

const encode = (text) => new TextEncoder().encode(text);

test("lines come whole however the bytes are cut, each with the offset behind it", () => {
  const bytes = encode('{"text":"grün"}\n\n{"text":"𝛑"}\nrest');
  for (let size = 1; size <= bytes.length; ++size) {
    const reader = new LineReader(100);
    const lines = [];
    for (let i = 0; i < bytes.length; i += size) lines.push(...reader.push(bytes.subarray(i, i + size)));
    assert.deepEqual(
      lines.map((l) => l.text),
      ['{"text":"grün"}', "", '{"text":"𝛑"}'],
    );
    assert.deepEqual(
      lines.map((l) => l.end),
      [117, 118, 134],
    );
  }
});

test("a line without an end is refused before it fills the memory", () => {
  const reader = new LineReader();
  assert.throws(() => {
    for (let i = 0; i < 100; ++i) reader.push(new Uint8Array(100_000).fill(65));
  }, /too long/);
});

test("what is no event of ours is passed over, what is no JSON is an error", () => {
  assert.equal(parseEvent(""), null);
  assert.equal(parseEvent('{"later":1}'), null);
  assert.equal(parseEvent("[1]"), null);
  assert.equal(parseEvent("null"), null);
  assert.deepEqual(parseEvent('{"text":""}'), { kind: "text", text: "" });
  assert.throws(() => parseEvent("<html>"), /no answer/);
});

test("thoughts, their time, text and numbers are put into the message", () => {
  const m = { text: "", thoughts: "", state: "waiting", stream: { id: "x", offset: 0 } };
  applyEvent(m, { kind: "progress", read: 5, total: 10 }, 0);
  assert.equal(m.progress.read, 5);
  applyEvent(m, { kind: "thought", text: "hm" }, 1000);
  assert.equal(m.progress, undefined);
  applyEvent(m, { kind: "text", text: "a" }, 3500);
  applyEvent(m, { kind: "text", text: "b" }, 3600);
  applyEvent(
    m,
    parseEvent(
      '{"end":{"reason":"max_tokens","seed":7,"usage":{"completion_tokens":3},"timings":{"nodes":2,"predicted_ms":-1}}}',
    ),
    4000,
  );
  assert.equal(m.text, "ab");
  assert.equal(m.thoughts, "hm");
  assert.equal(m.thinkingMs, 2500);
  assert.equal(m.reason, "max_tokens");
  assert.deepEqual([m.stats.tokens, m.stats.nodes, m.stats.seed, m.stats.answerMs], [3, 2, 7, 0]);
  assert.equal(m.stream, undefined);
});

test("an error that is no object of ours still says something", () => {
  const m = { text: "", thoughts: "", state: "waiting" };
  applyEvent(m, { kind: "error", message: 7 }, 0);
  assert.equal(m.state, "failed");
  assert.equal(m.error.message, "the answer failed");
});

// ---- reading through lost connections ---------------------------------------------------------------------------------

function bodyOf(parts, breaks) {
  const left = [...parts];
  return new ReadableStream({
    pull(controller) {
      if (left.length > 0) controller.enqueue(encode(left.shift()));
      else if (breaks) controller.error(new TypeError("network error"));
      else controller.close();
    },
  });
}

/** A clock that goes as far as it is told to sleep. */
function fakeClock() {
  let now = 0;
  return {
    now: () => now,
    slept: [],
    async sleep(ms) {
      this.slept.push(ms);
      now += ms;
    },
  };
}

function reading(responses, options = {}) {
  const seen = { requests: [], events: [], states: [] };
  const clock = fakeClock();
  const promise = readAnswer({
    request: async (path, { method, body }) => {
      seen.requests.push(`${method} ${path}${body ? " with a body" : ""}`);
      const next = responses.shift() ?? { throws: new TypeError("Failed to fetch") };
      if (next.throws) throw next.throws;
      return new Response(
        next.status && next.status !== 200 ? JSON.stringify(next.json) : bodyOf(next.parts, next.breaks),
        { status: next.status ?? 200, headers: next.headers },
      );
    },
    id: "a".repeat(32),
    body: { messages: [] },
    signal: options.signal ?? new AbortController().signal,
    clock,
    offset: options.offset ?? 0,
    onEvent: (event, end) => {
      seen.events.push([event.kind, event.text ?? event.reason, end]);
      options.onEvent?.(event);
    },
    onState: (s) => seen.states.push(s),
  });
  return { promise, seen, clock };
}

test("an answer is read on at its offset after the connection broke", async () => {
  const first = '{"text":"a"}\n';
  const { promise, seen } = reading([
    { parts: [first, '{"text":'], breaks: true },
    { throws: new TypeError("Failed to fetch") },
    { parts: ['{"text":"b"}\n'] }, // ends without the last event
    { parts: ['\n{"end":{"reason":"stop"}}\n', '{"text":"never"}\n'] },
  ]);
  await promise;
  const id = "a".repeat(32);
  assert.deepEqual(seen.requests, [
    `POST page/answers/${id} with a body`,
    `GET page/answers/${id}/13`,
    `GET page/answers/${id}/13`,
    `GET page/answers/${id}/26`,
  ]);
  assert.deepEqual(seen.events, [
    ["text", "a", 13],
    ["text", "b", 26],
    ["end", "stop", 53],
  ]);
  assert.deepEqual(seen.states, [
    "connected",
    "reconnecting",
    "reconnecting",
    "connected",
    "reconnecting",
    "connected",
  ]);
});

test("a request that did not arrive is made again", async () => {
  const { promise, seen } = reading([
    { throws: new TypeError("Failed to fetch") },
    { parts: ['{"end":{"reason":"stop"}}\n'] },
  ]);
  await promise;
  assert.ok(seen.requests.every((r) => r.startsWith("POST")));
});

test("an answer that was left by an earlier page is not asked for again", async () => {
  const { promise, seen } = reading([{ parts: ['{"end":{"reason":"stop"}}\n'] }], { offset: 70 });
  await promise;
  assert.match(seen.requests[0], /^GET .*\/70$/);
});

test("an answer that the server does not know any more is gone", async () => {
  for (const status of [404, 410])
    await assert.rejects(
      reading([{ status, json: { error: { message: "not kept" } } }]).promise,
      (e) => e instanceof AnswerGone && e.message === "not kept",
    );
});

test("a refusal is told, and not tried again", async () => {
  const { promise, seen } = reading([
    { status: 429, json: { error: { message: "the queue is full" } }, headers: { "Retry-After": "7" } },
  ]);
  await assert.rejects(
    promise,
    (e) => e instanceof ApiError && e.message === "the queue is full" && e.retryAfter === 7,
  );
  assert.equal(seen.requests.length, 1);
});

test("a refusal that is no JSON of ours names its status", async () => {
  const { promise } = reading([{ status: 502, json: "<html>" }]);
  await assert.rejects(promise, (e) => e instanceof ApiError && /502/.test(e.message));
});

test("after a minute without the server the answer is given up", async () => {
  const { promise, clock } = reading([{ parts: ['{"text":"a"}\n'], breaks: true }]);
  await assert.rejects(promise, AnswerGone);
  assert.ok(clock.now() > 60_000 && clock.now() < 70_000);
  assert.ok(Math.max(...clock.slept) <= 3000);
});

test("whoever stops hears of nothing more", async () => {
  const abort = new AbortController();
  const { promise, seen } = reading([{ parts: ['{"text":"a"}\n'], breaks: true }], {
    signal: abort.signal,
    onEvent: () => abort.abort(new Error("stopped")),
  });
  await assert.rejects(promise, /stopped/);
  assert.equal(seen.requests.length, 1);
});

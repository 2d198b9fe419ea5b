import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import {
  HERE,
  History,
  NOBODY,
  bytesOf,
  heatFacts,
  heatLevel,
  ownersOf,
  substitutesOf,
  summaryOf,
} from "../../../cli/serve/page/web/cluster/picture.js";
import { hereName, isLocal } from "../../../cli/serve/page/web/text/place.js";
import { formatBytes, formatDuration, formatParameters, formatRange } from "../../../cli/serve/page/web/text/format.js";

const node = (name, experts, state = "serving", layers = [0, 1]) => ({ name, state, layers, experts });
const cluster = (nodes, own = null) => ({ model: { layers: 2, experts: 8 }, own, nodes });

test("owners are those that serve; several own an expert together", () => {
  const c = cluster([node("a", [0, 3]), node("b", [4, 7]), node("c", [4, 7], "lost"), node("d", [2, 5])]);
  const owners = ownersOf(c);
  const of = (l, e) => owners.groups[owners.at[l * 8 + e]];
  assert.deepEqual([of(0, 0), of(1, 2), of(0, 4), of(1, 7)], [[0], [0, 3], [1, 3], [1]]);
  assert.deepEqual(
    [...owners.counts],
    [
      [0, 8],
      [1, 8],
      [3, 8],
    ],
  );
  assert.deepEqual(summaryOf(c, owners), { level: "warning", text: "1 of 4 nodes away; every expert has an owner" });
});

test("experts that nobody has are counted, and named first", () => {
  const c = cluster([node("a", [0, 3]), node("b", [4, 7], "lost")]);
  const owners = ownersOf(c);
  assert.equal(owners.counts.get(NOBODY), 8);
  assert.deepEqual(summaryOf(c, owners), { level: "error", text: "8 of 16 experts have no owner: answers wait" });
  assert.equal(summaryOf(cluster([]), ownersOf(cluster([]))).text, "No expert has an owner: answers wait");
});

test("a server that computes everything itself is no cluster in trouble", () => {
  const c = cluster([], { layers: [0, 1], experts: [0, 7] });
  const owners = ownersOf(c);
  assert.equal(owners.counts.get(HERE), 16);
  assert.deepEqual(summaryOf(c, owners), { level: "ok", text: "All experts are on this machine" });
});

test("only a page of this very machine calls the server so", () => {
  for (const host of ["localhost", "a.localhost", "127.0.0.1", "127.1.2.3", "[::1]"]) assert.ok(isLocal(host), host);
  for (const host of ["192.168.1.20", "127.0.0.1.evil.example", "localhost.evil.example", "128.0.0.1", "box", "[::2]"])
    assert.ok(!isLocal(host), host);
  assert.deepEqual([hereName("127.0.0.1"), hereName("192.168.1.20")], ["this machine", "the server"]);
  const c = cluster([], { layers: [0, 1], experts: [0, 7] });
  assert.equal(summaryOf(c, ownersOf(c), "the server").text, "All experts are on the server");
});

test("a range that is larger than the model does no harm", () => {
  assert.deepEqual(
    [...ownersOf(cluster([node("a", [4, 4e9], "serving", [1, 4e9])])).counts],
    [
      [0, 4],
      [NOBODY, 12],
    ],
  );
});

test("who answers in the place of a node has some of its experts", () => {
  const away = node("b", [4, 7], "lost");
  const c = cluster([
    node("a", [0, 3]),
    away,
    node("c", [6, 7]),
    node("d", [4, 7], "lost"),
    node("e", [4, 7], "serving", [5, 6]),
  ]);
  assert.deepEqual(
    substitutesOf(c, away).map((n) => n.name),
    ["c"],
  );
});

function sample(clock_ms, answer, time = {}) {
  return {
    clock_ms,
    tokens: { answer, read: 10 * answer, read_seconds: 0, decoded: answer, decoded_seconds: 0.25 * answer },
    calls: { sent_bytes: 1000 * answer, received_bytes: 0 },
    time: {
      passes: answer,
      seconds: 0.1 * answer,
      attention: 0.02 * answer,
      router: 0,
      dense: 0.01 * answer,
      experts: 0.05 * answer,
      combine: 0,
      head: 0.01 * answer,
      ...time,
    },
  };
}

test("rates are taken over the last seconds by the server's clock", () => {
  const h = new History();
  assert.equal(h.rates.answer, 0);
  for (let i = 0; i <= 20; ++i) h.add(sample(1000 * i, i < 10 ? 0 : 10 * (i - 9)));
  assert.equal(h.rates.answer, 10);
  assert.equal(h.rates.sentBytes, 10_000);
});

test("speeds are those of answers and prompts, however long nothing was asked and however close samples are", () => {
  const at = (clock_ms, tokens) => ({ ...sample(clock_ms, tokens.answer), tokens });
  const tokens = (read, read_seconds, answer, decoded_seconds) => ({
    read,
    read_seconds,
    answer,
    decoded: Math.max(0, answer - 1),
    decoded_seconds,
  });
  const h = new History();
  assert.deepEqual(h.speeds, { answer: 0, prompt: 0 });
  h.add(at(0, tokens(0, 0, 0, 0)));
  h.add(at(60_000, tokens(500, 0, 0, 0))); // a prompt is being read
  h.add(at(62_000, tokens(600, 2, 1, 0))); // and has been: the first token
  assert.deepEqual(h.speeds, { answer: 0, prompt: 300 });
  h.add(at(62_003, tokens(600, 2, 11, 4))); // ten tokens that were told together
  assert.deepEqual(h.speeds, { answer: 2.5, prompt: 300 });
  h.add(at(300_000, tokens(600, 2, 11, 4)));
  assert.deepEqual(h.speeds, { answer: 2.5, prompt: 300 });
  const late = new History();
  late.add(at(300_000, tokens(600, 2, 11, 4))); // a page that is opened afterwards
  assert.deepEqual(late.speeds, { answer: 2.5, prompt: 300 });
});

test("a server that was started again begins a new history", () => {
  const h = new History();
  h.add(sample(5000, 100));
  h.add(sample(6000, 110));
  h.add(sample(100, 0));
  assert.equal(h.rates.answer, 0);
  h.add(sample(1100, 7));
  assert.equal(h.rates.answer, 7);
});

test("where time goes adds up to one, and stays as it was when nothing is computed", () => {
  const h = new History();
  h.add(sample(0, 0));
  assert.equal(h.phases, null);
  h.add(sample(1000, 10));
  const { msPerPass, parts } = h.phases;
  assert.equal(Math.round(msPerPass), 100);
  assert.ok(Math.abs(parts.reduce((sum, p) => sum + p.share, 0) - 1) < 1e-9);
  assert.equal(Math.round(100 * parts.find((p) => p.key === "experts").share), 50);
  assert.equal(Math.round(100 * parts.find((p) => p.key === "other").share), 10);
  for (let i = 2; i < 30; ++i) h.add(sample(1000 * i, 10));
  assert.equal(Math.round(h.phases.msPerPass), 100);
});

test("phases that together take longer than their passes do not make a share of less than nothing", () => {
  const h = new History();
  h.add(sample(0, 0));
  h.add(sample(1000, 10, { experts: 5 }));
  assert.ok(h.phases.parts.every((p) => p.share >= 0 && p.share <= 1));
});

test("the line of tokens has each second's tokens at its place", () => {
  const h = new History();
  for (let i = 0; i <= 10; ++i) h.add(sample(500 * i, i <= 6 ? 0 : 5 * (i - 6)));
  const line = h.line(10);
  assert.equal(Math.round(line.reduce((a, b) => a + b, 0)), 20);
  assert.equal(line[0], 0);
});

test("heat is a number from 0 to 1, and any use is seen", () => {
  assert.equal(heatLevel(0, 10), 0);
  assert.ok(heatLevel(1, 255) > 0.25);
  assert.equal(heatLevel(255, 255), 1);
  assert.equal(heatLevel(0, 0), 0);
  assert.deepEqual(heatFacts(new Uint8Array([0, 0, 3, 0, 9, 0]), 2, 3), {
    used: 2,
    most: 9,
    layer: 1,
    expert: 1,
    all: 6,
  });
  assert.deepEqual([...bytesOf(Buffer.from([0, 255, 7]).toString("base64"))], [0, 255, 7]);
  assert.equal(bytesOf(undefined).length, 0);
});

test("what the server really sends is understood", () => {
  const sent = JSON.parse(readFileSync(new URL("../cluster_sample.json", import.meta.url)));
  const owners = ownersOf(sent);
  assert.deepEqual(summaryOf(sent, owners), { level: "warning", text: "1 of 2 nodes away; every expert has an owner" });
  assert.deepEqual(
    substitutesOf(sent, sent.nodes[1]).map((n) => n.name),
    ["a"],
  );
  assert.deepEqual([...bytesOf(sent.heat.counts)], [0, 1, 2, 3, 255, 0, 0, 7]);
  const h = new History();
  h.add(sent);
  assert.equal(Math.round(h.phases.msPerPass), 111);
});

test("numbers are as people read them", () => {
  assert.deepEqual([0, 999, 1000, 999_600, 2.19e9].map(formatBytes), ["0 B", "999 B", "1.00 KB", "1.00 MB", "2.19 GB"]);
  assert.deepEqual([0.2, 9.94, 350, 4200, 59_960, 190_000, 7.3e6, Number.NaN].map(formatDuration), [
    "0.20 ms",
    "9.9 ms",
    "350 ms",
    "4.2 s",
    "1 min 0 s",
    "3 min 10 s",
    "2 h 1 min",
    "–",
  ]);
  assert.deepEqual([25.2e9, 3.5e6, 12].map(formatParameters), ["25.2B", "3.50M", "12"]);
  assert.deepEqual(
    [
      [0, 63],
      [5, 5],
    ].map(formatRange),
    ["0–63", "5"],
  );
});

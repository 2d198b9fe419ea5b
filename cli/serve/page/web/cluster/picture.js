// What the server tells of itself and its nodes (GET cluster, docs/page.md, "Cluster"), made ready to be shown.
// Nothing here draws.

import { formatCount } from "../text/format.js";

export const HERE = -1; // the owner of experts that this server computes itself
export const NOBODY = -2;

const WINDOW_MS = 4000; // over which rates are taken
const KEPT_MS = 120_000; // of samples, for the line of tokens/s

export const PHASES = [
  ["attention", "Attention", "projections, KV cache, scores"],
  ["router", "Routing", "choice of experts"],
  ["experts", "Experts", "waiting for nodes, or computing here"],
  ["dense", "Dense FFN", "the branch that every token takes"],
  ["combine", "Combine", "norms and sums after the experts"],
  ["head", "Head", "logits"],
  ["other", "Other", "sampling, batching, reading requests"],
];

/** The bytes of base64. */
export function bytesOf(text) {
  const binary = atob(text ?? "");
  return Uint8Array.from(binary, (c) => c.charCodeAt(0));
}

const isServing = (node) => node.state === "serving" || node.state === "suspect";

/**
 * Who has each expert: {at, groups, counts}. `at` has for each layer and expert an index into `groups`, which are lists
 * of owners: indices into `nodes`, and HERE. Group 0 is empty. `counts` says how many experts each owner has.
 */
export function ownersOf(cluster) {
  const { layers, experts } = cluster.model;
  const at = new Uint16Array(layers * experts);
  const groups = [[]];
  const counts = new Map();
  const larger = new Map(); // "group owner" → the group with that owner as well
  const withOwner = (group, owner) => {
    const key = `${group} ${owner}`;
    if (!larger.has(key)) larger.set(key, groups.push([...groups[group], owner]) - 1);
    return larger.get(key);
  };
  const add = (owner, rows, columns) => {
    for (let l = rows[0]; l <= Math.min(rows[1], layers - 1); ++l)
      for (let e = columns[0]; e <= Math.min(columns[1], experts - 1); ++e) {
        at[l * experts + e] = withOwner(at[l * experts + e], owner);
        counts.set(owner, (counts.get(owner) ?? 0) + 1);
      }
  };
  if (cluster.own) add(HERE, cluster.own.layers, cluster.own.experts);
  cluster.nodes.forEach((node, i) => {
    if (isServing(node)) add(i, node.layers, node.experts);
  });
  const missing = countOf(at, 0);
  if (missing > 0) counts.set(NOBODY, missing);
  return { at, groups, counts };
}

function countOf(array, value) {
  let out = 0;
  for (const x of array) if (x === value) ++out;
  return out;
}

/** Serving nodes that have experts of one that is away. */
export function substitutesOf(cluster, node) {
  const overlap = (a, b) => a[0] <= b[1] && b[0] <= a[1];
  return cluster.nodes.filter(
    (n) => n !== node && isServing(n) && overlap(n.layers, node.layers) && overlap(n.experts, node.experts),
  );
}

/** One sentence on the whole. `here` is what the server is called. */
export function summaryOf(cluster, owners, here = "this machine") {
  const { nodes, own } = cluster;
  const serving = nodes.filter(isServing).length;
  const missing = owners.counts.get(NOBODY) ?? 0;
  const all = formatCount(cluster.model.layers * cluster.model.experts);
  if (missing > 0)
    return {
      level: "error",
      text: `${formatCount(missing) === all ? "No expert has an owner" : `${formatCount(missing)} of ${all} experts have no owner`}: answers wait`,
    };
  const away = nodes.length - serving;
  if (away > 0) return { level: "warning", text: `${away} of ${nodes.length} nodes away; every expert has an owner` };
  if (nodes.length === 0) return { level: "ok", text: own ? `All experts are on ${here}` : "No nodes" };
  return {
    level: "ok",
    text: `${serving === 1 ? "1 node serves" : `${serving} nodes serve`}${own ? `, and ${here},` : ""} all ${all} experts`,
  };
}

/** Samples over time, and the rates between them. */
export class History {
  #samples = []; // {at, cluster}, oldest first
  #phases = null;
  #speeds = { answer: 0, prompt: 0 };
  #read = null; // the counters of tokens when the last prompt had been read

  /** `at` is the server's clock, in milliseconds: what a slow network adds does not count. */
  add(cluster) {
    const at = cluster.clock_ms;
    const last = this.#samples.at(-1);
    // Another server, or the same one started again.
    if (last !== undefined && (at < last.at || cluster.tokens.answer < last.cluster.tokens.answer)) {
      this.#samples = [];
      this.#phases = null;
      this.#speeds = { answer: 0, prompt: 0 };
      this.#read = null;
    }
    if (last !== undefined && at === last.at) return;
    this.#samples.push({ at, cluster });
    while (this.#samples[0].at < at - KEPT_MS) this.#samples.shift();
    this.#notePhases();
    this.#noteSpeeds();
  }

  #base() {
    const { at } = this.#samples.at(-1);
    return this.#samples.findLast((s) => s.at <= at - WINDOW_MS) ?? this.#samples[0];
  }

  /** Of a counter, how much of it came in a second. */
  rate(counter) {
    const last = this.#samples.at(-1);
    const base = last === undefined ? undefined : this.#base();
    if (base === undefined || base === last) return 0;
    return (1000 * (counter(last.cluster) - counter(base.cluster))) / (last.at - base.at);
  }

  /** Of all answers together, by the clock: nothing while nothing is asked. */
  get rates() {
    return {
      answer: this.rate((c) => c.tokens.answer),
      sentBytes: this.rate((c) => c.calls.sent_bytes),
      receivedBytes: this.rate((c) => c.calls.received_bytes),
      passes: this.rate((c) => c.time.passes),
    };
  }

  /**
   * Tokens in a second of the time that was spent on them, as an answer and a prompt have it: of the last seconds with
   * answers, and of the last prompts. It stays when nothing is computed. 0: nothing was computed yet.
   */
  get speeds() {
    return this.#speeds;
  }

  #noteSpeeds() {
    const now = this.#samples.at(-1).cluster.tokens;
    const isFirst = this.#samples.length === 1;
    const none = { read: 0, read_seconds: 0, decoded: 0, decoded_seconds: 0 };
    const before = isFirst ? none : this.#base().cluster.tokens;
    const seconds = now.decoded_seconds - before.decoded_seconds;
    if (seconds > 0) this.#speeds.answer = (now.decoded - before.decoded) / seconds;
    const last = this.#read ?? none;
    if (now.read_seconds > last.read_seconds)
      this.#speeds.prompt = (now.read - last.read) / (now.read_seconds - last.read_seconds);
    if (now.read_seconds !== last.read_seconds || this.#read === null) this.#read = now;
  }

  // Passes of the last seconds; after the last answer, those of its end.
  #notePhases() {
    const now = this.#samples.at(-1).cluster.time;
    const before = this.#base().cluster.time;
    const passes = now.passes - before.passes;
    if (passes <= 0) {
      this.#phases ??= this.#samples.length === 1 && now.passes > 0 ? phasesOf(now, null) : null;
      return;
    }
    this.#phases = phasesOf(now, before);
  }

  /** Where the time of passes went: {msPerPass, parts: [{key, name, share, ms}]}; null: nothing was computed yet. */
  get phases() {
    return this.#phases;
  }

  /** Tokens of answers in a second, for each of the last seconds: oldest first. */
  line(points = 60, stepMs = 1000) {
    const out = new Array(points).fill(0);
    const last = this.#samples.at(-1);
    if (last === undefined) return out;
    for (let i = 1; i < this.#samples.length; ++i) {
      const a = this.#samples[i - 1];
      const b = this.#samples[i];
      const tokens = b.cluster.tokens.answer - a.cluster.tokens.answer;
      if (tokens === 0) continue;
      // Spread over the steps between the two samples.
      const first = points - 1 - (last.at - a.at) / stepMs;
      const end = points - 1 - (last.at - b.at) / stepMs;
      for (let k = Math.max(0, Math.floor(first)); k <= Math.min(points - 1, Math.floor(end)); ++k) {
        const share = Math.min(k + 1, end) - Math.max(k, first);
        if (share > 0) out[k] += ((tokens * share) / (end - first)) * (1000 / stepMs);
      }
    }
    return out;
  }
}

function phasesOf(now, before) {
  const of = (key) => now[key] - (before?.[key] ?? 0);
  const passes = of("passes");
  const total = Math.max(of("seconds"), 1e-9);
  const parts = PHASES.filter(([key]) => key !== "other").map(([key, name, what]) => ({
    key,
    name,
    what,
    seconds: Math.max(0, of(key)),
  }));
  const known = parts.reduce((sum, p) => sum + p.seconds, 0);
  const [, name, what] = PHASES.at(-1);
  parts.push({ key: "other", name, what, seconds: Math.max(0, total - known) });
  const all = Math.max(total, known);
  return {
    msPerPass: (1000 * all) / passes,
    parts: parts.map((p) => ({ ...p, share: p.seconds / all, ms: (1000 * p.seconds) / passes })),
  };
}

/** Of a heat count, a number from 0 to 1: equal steps of the eye for equal ratios. */
export function heatLevel(count, most) {
  return count === 0 || most === 0 ? 0 : 0.25 + (0.75 * Math.log1p(count)) / Math.log1p(most);
}

/** The expert of each layer that was used most, and how evenly experts are used. */
export function heatFacts(counts, layers, experts) {
  let used = 0;
  let most = 0;
  let at = 0;
  for (let i = 0; i < counts.length; ++i) {
    if (counts[i] > 0) ++used;
    if (counts[i] > most) [most, at] = [counts[i], i];
  }
  return { used, most, layer: Math.floor(at / experts), expert: at % experts, all: layers * experts };
}

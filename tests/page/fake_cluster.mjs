// A cluster that a test makes up, as GET cluster tells it (docs/page.md, "Cluster").

/** A cluster whose nodes a test can take away. */
export class FakeCluster {
  running = 0;
  events = [];
  tokens = 0;
  constructor(model, nodes) {
    Object.assign(this, { model, nodes });
    this.counts = new Uint8Array(model.layers * model.experts);
    this.began = performance.now();
    this.random = 12345;
  }

  next() {
    this.random = (Math.imul(this.random, 1664525) + 1013904223) >>> 0;
    return this.random / 2 ** 32;
  }

  /** One token's experts: some are used more than others, as they are. */
  token() {
    ++this.tokens;
    const { layers, experts } = this.model;
    for (let l = 0; l < layers; ++l)
      for (let k = 0; k < 8; ++k) {
        const e = Math.floor(experts * this.next() ** 2 + l * 37) % experts;
        const at = l * experts + e;
        if (this.counts[at] < 255) ++this.counts[at];
        const cold = Math.floor(this.next() * this.counts.length);
        if (this.tokens > 32 && this.counts[cold] > 0) --this.counts[cold];
      }
  }

  event(e) {
    this.events.push({ number: this.events.length + 1, at: performance.now(), ...e });
  }

  lose(name, why = "connection closed by peer") {
    const node = this.nodes.find((n) => n.name === name);
    node.state = "lost";
    node.why = why;
    const others = this.nodes.filter(
      (n) => n.state === "serving" && n.experts[0] <= node.experts[1] && n.experts[1] >= node.experts[0],
    );
    const covered = others.reduce(
      (sum, n) => sum + Math.min(n.experts[1], node.experts[1]) - Math.max(n.experts[0], node.experts[0]) + 1,
      0,
    );
    this.event({
      kind: "lost",
      node: name,
      why,
      took_over: others.map((n) => ({
        node: n.name,
        layers: node.layers,
        experts: [Math.max(n.experts[0], node.experts[0]), Math.min(n.experts[1], node.experts[1])],
      })),
      without_owner:
        Math.max(0, node.experts[1] - node.experts[0] + 1 - covered) * (node.layers[1] - node.layers[0] + 1),
    });
  }

  bring(name) {
    const node = this.nodes.find((n) => n.name === name);
    node.state = "serving";
    delete node.why;
    this.event({ kind: "joined", node: name, layers: node.layers, experts: node.experts });
  }

  snapshot() {
    const now = performance.now();
    const t = 0.072 * this.tokens;
    return {
      clock_ms: Math.round(now - this.began),
      version: "0.1.0",
      model: this.model,
      own: null,
      nodes: this.nodes,
      events: this.events.map(({ at, ...e }) => ({ ...e, ago_ms: Math.round(now - at) })),
      heat: { tokens: Math.min(this.tokens, 256), counts: Buffer.from(this.counts).toString("base64") },
      answers: { running: this.running, reading: 0, waiting: 0, requests: 3 + this.running },
      tokens: {
        prompt: 5200,
        cached: 3900,
        read: 1300,
        read_seconds: 4.1,
        answer: this.tokens,
        decoded: this.tokens,
        decoded_seconds: 0.07 * this.tokens,
      },
      time: {
        passes: this.tokens,
        seconds: t,
        attention: 0.21 * t,
        router: 0.02 * t,
        dense: 0.17 * t,
        experts: 0.43 * t,
        combine: 0.03 * t,
        head: 0.12 * t,
      },
      calls: {
        calls: 60 * this.tokens,
        repeated: 2,
        hedged: 5,
        sent_bytes: 186_000 * this.tokens,
        received_bytes: 840_000 * this.tokens,
      },
      batching: { passes: this.tokens, rows: Math.round(1.3 * this.tokens) },
      cache: {
        lookups: 12,
        hits: 9,
        sequences: 4,
        bytes: 310e6,
        kv_bytes: 1.1e9,
        kv_limit_bytes: 4e9,
        evictions: 0,
        disk_hits: 0,
        preempted: 0,
      },
      speculation: null,
    };
  }
}

export function fakeCluster() {
  const model = {
    name: "gemma-4-26b-a4b",
    file: "gemma4-26b.vindex",
    encoding: "Q4_K",
    parameters: 25.2e9,
    size_bytes: 15.6e9,
    layers: 30,
    experts: 128,
    experts_per_token: 8,
    hidden: 2816,
    context: 32_768,
    defaults: { temperature: 1, top_k: 64, top_p: 0.95 },
  };
  const node = (name, address, experts, p50) => ({
    name,
    address,
    state: "serving",
    layers: [0, 29],
    experts,
    round_trip_ms: { p50, p99: p50 * 2.3 },
    resident_bytes: 5.9e9 * ((experts[1] - experts[0] + 1) / 64),
    owned_bytes: 6.2e9 * ((experts[1] - experts[0] + 1) / 64),
    rss_bytes: 6.1e9,
    calls: 48_210,
    failed: 0,
    waiting: 0,
    load_percent: 31,
  });
  return new FakeCluster(model, [
    node("ams-1", "tls://ams-1.example:9470", [0, 63], 11.2),
    node("fra-1", "tls://fra-1.example:9470", [64, 127], 8.4),
    node("fra-2", "tls://fra-2.example:9470", [64, 127], 9.1),
  ]);
}

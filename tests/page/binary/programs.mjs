// The two programs with the demo model: a server whose experts are on nodes, every expert on two of them.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCES = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const DEADLINE_MS = 60_000;

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

class Program {
  out = "";
  err = "";

  constructor(path, words) {
    this.child = spawn(path, words, { stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout.on("data", (d) => (this.out += d));
    this.child.stderr.on("data", (d) => (this.err += d));
    this.ended = new Promise((resolve) => this.child.on("exit", resolve));
  }

  async sees(pattern) {
    const until = Date.now() + DEADLINE_MS;
    while (!pattern.test(this.out)) {
      if (Date.now() > until || this.child.exitCode !== null)
        throw new Error(`${this.child.spawnfile} did not say ${pattern}: ${this.out}${this.err}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return pattern.exec(this.out);
  }

  async kill(signal = "SIGKILL") {
    this.child.kill(signal);
    await this.ended;
  }
}

export class Cluster {
  nodes = new Map();

  static async start(options = []) {
    const out = new Cluster();
    out.dir = mkdtempSync(join(tmpdir(), "larql-page-"));
    out.model = join(out.dir, "demo.vindex");
    const made = spawnSync(process.env.LARQL, [
      "extract",
      join(SOURCES, "tests/demo_model/larql-demo.gguf"),
      "-o",
      out.model,
    ]);
    if (made.status !== 0) throw new Error(String(made.stderr));
    out.ports = {};
    let topology = `model = "demo.vindex"\n`;
    for (const [name, experts] of [
      ["ams-1", "0-7"],
      ["fra-1", "8-15"],
      ["fra-2", "8-15"],
    ]) {
      out.ports[name] = await freePort();
      topology += `\n[[node]]\nname = "${name}"\naddress = "127.0.0.1:${out.ports[name]}"\nexperts = "${experts}"\n`;
    }
    out.topology = join(out.dir, "cluster.toml");
    writeFileSync(out.topology, topology);
    await Promise.all(Object.keys(out.ports).map((name) => out.startNode(name)));
    out.server = new Program(process.env.LARQL, ["serve", "--topology", out.topology, "--port", "0", ...options]);
    const [, url] = await out.server.sees(/ready on (http:\/\/[^:]+:\d+)/);
    out.url = `${url}/`;
    return out;
  }

  async startNode(name) {
    const node = new Program(process.env.LARQL_NODE, ["--topology", this.topology, "--node", name]);
    this.nodes.set(name, node);
    await node.sees(/ready/);
  }

  async stop() {
    for (const p of [this.server, ...this.nodes.values()]) if (p) await p.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

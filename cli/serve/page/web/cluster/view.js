// The cluster: nodes, experts, speed, where time goes, counters, and what has happened.

import { formatBytes, formatCount, formatDuration, formatRate, threeDigits } from "../text/format.js";
import { hereName } from "../text/place.js";
import { announce, h, iconButton, visible } from "../view/dom.js";
import { counterRows, eventItem, eventText } from "./facts.js";
import { Heatmap } from "./heatmap.js";
import { nodeItems, swatch, theme } from "./nodes.js";
import { HERE, History, NOBODY, bytesOf, heatFacts, ownersOf, summaryOf } from "./picture.js";
import { sparkline } from "./sparkline.js";

export class ClusterView {
  element;
  #history = new History();
  #heatmap = new Heatmap();
  #summary = h("p", { class: "cluster-summary", role: "status" });
  #tiles = h("div", { class: "tiles" });
  #legend = h("ul", { class: "legend", ariaLabel: "Colours" });
  #nodes = h("ul", { class: "nodes" });
  #time = h("div", { class: "time" });
  #counters = h("dl", { class: "counters" });
  #events = h("ol", { class: "events" });
  #watch;
  #lastEvent = -1;
  #said = "";

  constructor(watch, { onClose, onWide }) {
    this.#watch = watch;
    const modes = [
      ["both", "Owner and use"],
      ["owner", "Owner"],
      ["heat", "Use"],
    ].map(([mode, label]) =>
      h(
        "button",
        {
          type: "button",
          ariaPressed: String(mode === "both"),
          on: { click: (e) => this.#mode(mode, e.currentTarget) },
        },
        label,
      ),
    );
    const section = (title, ...content) => h("section", {}, h("h3", {}, title), ...content);
    this.element = h(
      "aside",
      { class: "cluster", id: "cluster", ariaLabel: "Cluster" },
      h(
        "header",
        {},
        h("h2", {}, "Cluster"),
        iconButton("wide", "Wide view", onWide, { class: "icon-button only-wide" }),
        iconButton("close", "Close the cluster view", onClose),
      ),
      h(
        "div",
        { class: "cluster-body" },
        this.#summary,
        this.#tiles,
        h(
          "section",
          { class: "heat-section" },
          h(
            "div",
            { class: "section-head" },
            h("h3", {}, "Experts"),
            h("div", { class: "segments", role: "group", ariaLabel: "Colours show" }, modes),
          ),
          this.#heatmap.element,
          this.#legend,
        ),
        section("Nodes", this.#nodes),
        h(
          "div",
          { class: "cluster-columns" },
          section("Where a token's time goes", this.#time),
          section("Counters", this.#counters),
          section("What has happened", this.#events),
        ),
      ),
    );
    watch.addEventListener("cluster", () => this.#add());
    watch.addEventListener("away", ({ detail }) => this.#away(detail.error));
  }

  get rates() {
    return this.#history.rates;
  }

  get speeds() {
    return this.#history.speeds;
  }

  /** Draws what is known: when the view is opened, or the theme has changed. */
  draw() {
    const { cluster } = this.#watch;
    if (cluster && this.element.getClientRects().length > 0) this.#draw(cluster);
  }

  #mode(mode, button) {
    this.#heatmap.mode = mode;
    for (const b of button.parentElement.children) b.setAttribute("aria-pressed", String(b === button));
    this.#heatmap.redraw();
  }

  #add() {
    const { cluster } = this.#watch;
    this.#history.add(cluster);
    this.#speakEvents(cluster.events);
    this.draw();
  }

  #away(error) {
    this.#setSummary({
      level: "error",
      text:
        error.status === 503
          ? "The model is being loaded"
          : error.status
            ? error.message
            : "The server cannot be reached",
    });
  }

  #setSummary({ level, text }) {
    // A live region speaks whenever it is written to.
    if (this.#said === level + text) return;
    this.#said = level + text;
    this.#summary.className = `cluster-summary ${level}`;
    this.#summary.textContent = text;
  }

  #draw(cluster) {
    const owners = ownersOf(cluster);
    const { layers, experts } = cluster.model;
    const counts = bytesOf(cluster.heat.counts);
    const facts = heatFacts(counts, layers, experts);
    const names = cluster.nodes.map((n) => n.name);
    this.#setSummary(summaryOf(cluster, owners, hereName()));
    this.#tiles.replaceChildren(...this.#tileNodes(cluster));
    this.#heatmap.show(
      {
        layers,
        experts,
        owners,
        counts,
        most: facts.most,
        used: facts.used,
        hottest: facts,
        tokens: cluster.heat.tokens,
        names,
      },
      theme(),
    );
    this.#legend.replaceChildren(...this.#legendItems(cluster, owners));
    this.#nodes.replaceChildren(...nodeItems(cluster));
    this.#drawTime();
    this.#counters.replaceChildren(
      ...counterRows(cluster).flatMap(([name, value, help]) => [h("dt", { title: help }, name), h("dd", {}, value)]),
    );
    this.#events.replaceChildren(...cluster.events.slice(-12).reverse().map(eventItem));
    if (cluster.events.length === 0)
      this.#events.replaceChildren(h("li", { class: "hint" }, "Nothing yet. Nodes that come and go are listed here."));
  }

  #tileNodes(cluster) {
    const { answer, prompt } = this.#history.speeds;
    const { running, waiting, reading } = cluster.answers;
    const line = this.#history.line();
    const { kv_bytes: kv, kv_limit_bytes: limit } = cluster.cache;
    return [
      h(
        "div",
        { class: "tile speed", title: "Between the tokens of an answer; the line: of all answers, in the last minute" },
        h("span", { class: "tile-value" }, formatRate(answer)),
        h("span", { class: "tile-label" }, "tokens/s, answers"),
        sparkline(line, "Tokens per second of all answers in the last minute"),
      ),
      h(
        "div",
        { class: "tile", title: "What was read of the last prompts, without what the cache had" },
        h("span", { class: "tile-value" }, formatRate(prompt)),
        h("span", { class: "tile-label" }, "tokens/s, prompts"),
      ),
      h(
        "div",
        { class: "tile" },
        h("span", { class: "tile-value" }, String(running)),
        h(
          "span",
          { class: "tile-label" },
          `answering${reading > 0 ? `, ${reading} reading` : ""}${waiting > 0 ? `, ${waiting} waiting` : ""}`,
        ),
      ),
      h(
        "div",
        { class: "tile" },
        h("span", { class: "tile-value" }, limit > 0 ? `${threeDigits((100 * kv) / limit)} %` : formatBytes(kv)),
        h("span", { class: "tile-label" }, limit > 0 ? `of ${formatBytes(limit)} KV memory` : "KV memory"),
      ),
    ];
  }

  #legendItems(cluster, { counts }) {
    return [...counts]
      .sort(([a], [b]) => a - b)
      .map(([o, n]) => {
        const name = o === HERE ? hereName() : o === NOBODY ? "nobody" : cluster.nodes[o].name;
        return h(
          "li",
          {},
          swatch(o),
          h("span", {}, visible(name)),
          h("span", { class: "legend-count" }, formatCount(n)),
        );
      });
  }

  #drawTime() {
    const { phases } = this.#history;
    if (phases === null) {
      this.#time.replaceChildren(h("p", { class: "hint" }, "Nothing was computed yet."));
      return;
    }
    const parts = phases.parts.filter((p) => p.share >= 0.002);
    const bar = h(
      "div",
      {
        class: "time-bar",
        role: "img",
        ariaLabel: parts.map((p) => `${p.name} ${Math.round(100 * p.share)} %`).join(", "),
      },
      parts.map((p) =>
        h("span", {
          class: `phase phase-${p.key}`,
          style: { "flex-grow": String(p.share) },
          title: `${p.name}: ${threeDigits(100 * p.share)} %`,
        }),
      ),
    );
    const rows = parts.map((p) =>
      h(
        "tr",
        {},
        h("th", { scope: "row", title: p.what }, h("span", { class: `swatch phase-${p.key}` }), p.name),
        h("td", {}, `${threeDigits(100 * p.share)} %`),
        h("td", {}, formatDuration(p.ms)),
      ),
    );
    this.#time.replaceChildren(
      bar,
      h(
        "table",
        { class: "time-table" },
        h(
          "caption",
          { class: "hint" },
          `A pass over all layers takes ${formatDuration(phases.msPerPass)}. It gives each running answer a token, or reads a part of a prompt.`,
        ),
        h("tbody", {}, rows),
      ),
    );
  }

  #speakEvents(events) {
    const newest = events.at(-1)?.number ?? this.#lastEvent;
    if (this.#lastEvent >= 0)
      for (const e of events.filter((x) => x.number > this.#lastEvent)) announce(eventText(e).join(". "));
    this.#lastEvent = Math.max(newest, 0);
  }
}

// The nodes one by one: state, latency, what is in memory, and who answers in the place of one that is away.

import { formatBytes, formatCount, formatDuration, formatRange } from "../text/format.js";
import { hereName } from "../text/place.js";
import { h, visible } from "../view/dom.js";
import { nodeColor } from "./colors.js";
import { HERE, NOBODY, substitutesOf } from "./picture.js";

const STATES = {
  serving: ["ok", "serving"],
  loading: ["warning", "loading"],
  draining: ["warning", "draining"],
  degraded: ["warning", "degraded"],
  suspect: ["warning", "not answering"],
  lost: ["error", "away"],
  refused: ["error", "refused"],
};

export const theme = () => (document.documentElement.dataset.theme === "dark" ? "dark" : "light");

/** A square in the colour of an owner. */
export function swatch(owner) {
  return h("span", {
    class: owner === NOBODY ? "swatch is-hatched" : "swatch",
    style: { "--swatch": nodeColor(owner, theme()) },
  });
}

function badge(level, text) {
  return h("span", { class: `badge ${level}` }, text);
}

function nodeItem(n, i, cluster) {
  const [level, state] = STATES[n.state] ?? ["warning", n.state];
  const isAway = level === "error";
  const owned = isAway ? 0 : (n.owned_bytes ?? 0);
  const resident = n.resident_bytes ?? 0;
  const others = isAway ? substitutesOf(cluster, n).map((o) => o.name || o.address) : [];
  const numbers = [];
  if (n.round_trip_ms && !isAway)
    numbers.push([
      "Round trip",
      `${formatDuration(n.round_trip_ms.p50)}`,
      `99th percentile: ${formatDuration(n.round_trip_ms.p99)}`,
    ]);
  if (owned > 0) numbers.push(["Resident", formatBytes(resident), `of ${formatBytes(owned)} of expert weights`]);
  if (n.calls !== undefined && !isAway)
    numbers.push([
      "Calls",
      formatCount(n.calls),
      n.failed > 0 ? `${formatCount(n.failed)} of them failed` : "answered since its start",
    ]);
  if (n.load_percent !== undefined && !isAway)
    numbers.push(["Load", `${n.load_percent} %`, "load average of its machine in the last minute, by core"]);
  return h(
    "li",
    { class: `node is-${level}` },
    h(
      "div",
      { class: "node-head" },
      swatch(i),
      h("span", { class: "node-name", title: n.address }, visible(n.name || n.address)),
      h("span", { class: "node-address" }, visible(n.address)),
      badge(level, state),
    ),
    h(
      "p",
      { class: "node-facts" },
      `experts ${formatRange(n.experts)} of layers ${formatRange(n.layers)}`,
      n.why ? h("span", { class: "node-why" }, visible(n.why)) : null,
      others.length > 0
        ? h(
            "span",
            { class: "node-why" },
            visible(`${others.join(", ")} ${others.length === 1 ? "answers" : "answer"} in its place`),
          )
        : null,
      isAway && others.length === 0 ? h("span", { class: "node-why" }, "Nobody answers in its place.") : null,
    ),
    numbers.length === 0
      ? null
      : h(
          "dl",
          { class: "node-numbers" },
          numbers.map(([name, value, more]) => h("div", { title: more }, h("dt", {}, name), h("dd", {}, value))),
        ),
    owned > 0
      ? h(
          "div",
          {
            class: "node-bar",
            role: "img",
            ariaLabel: `${Math.round((100 * resident) / owned)} % of its weights are in memory`,
          },
          h("span", { style: { width: `${Math.min(100, (100 * resident) / owned)}%` } }),
        )
      : null,
  );
}

/** This machine, if it computes experts, and all nodes. */
export function nodeItems(cluster) {
  const items = [];
  if (cluster.own)
    items.push(
      h(
        "li",
        { class: "node" },
        h(
          "div",
          { class: "node-head" },
          swatch(HERE),
          h("span", { class: "node-name" }, hereName()),
          badge("ok", "computing"),
        ),
        h(
          "p",
          { class: "node-facts" },
          `experts ${formatRange(cluster.own.experts)} of layers ${formatRange(cluster.own.layers)}`,
        ),
      ),
    );
  cluster.nodes.forEach((n, i) => items.push(nodeItem(n, i, cluster)));
  return items.length > 0 ? items : [h("li", { class: "hint" }, "No nodes.")];
}

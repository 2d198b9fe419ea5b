// What stands where no message is yet: which model this is, where its experts are, and what leaves the machine.

import { HERE, ownersOf } from "../cluster/picture.js";
import { formatBytes, formatCount, formatParameters, formatRange } from "../text/format.js";
import { isLocal } from "../text/place.js";
import { h, icon, visible } from "./dom.js";

const SUGGESTIONS = [
  "Explain what a mixture of experts is to somebody who knows how a neural network works.",
  "Write a Python function that finds the longest palindrome in a text, with tests.",
  "Compare three ways to keep a house cool without air conditioning, as a table.",
  "Help me write a friendly note to a neighbour about a barking dog.",
];

export class WelcomeView {
  element = h("div", { class: "welcome" });
  #facts = h("div", { class: "facts" });
  #title = h("h1", {}, "…");
  #key = "";

  constructor({ onSuggest, onCluster }) {
    this.onCluster = onCluster;
    this.element.append(
      h("div", { class: "welcome-head" }, this.#title),
      this.#facts,
      h(
        "ul",
        { class: "suggestions", ariaLabel: "Suggestions" },
        SUGGESTIONS.map((text) =>
          h("li", {}, h("button", { type: "button", on: { click: () => onSuggest(text) } }, text)),
        ),
      ),
    );
  }

  /** `cluster` is null as long as the server has told nothing; then `why` says why. */
  show(cluster, why) {
    const key = cluster
      ? JSON.stringify([cluster.model, cluster.own, cluster.nodes.map((n) => [n.name, n.address, n.state])])
      : why;
    if (key === this.#key) return;
    this.#key = key;
    if (!cluster) {
      this.#title.textContent = "larql";
      this.#facts.replaceChildren(h("p", { class: "welcome-wait", role: "status" }, why));
      return;
    }
    this.#title.replaceChildren(...visible(cluster.model.name));
    this.#facts.replaceChildren(modelFact(cluster), placeFact(cluster, this.onCluster), privacyFact(cluster));
  }
}

function fact(name, title, ...content) {
  return h("section", { class: `fact fact-${name}` }, h("h2", {}, icon(name), title), ...content);
}

function modelFact({ model }) {
  const lines = [
    `${formatParameters(model.parameters)} parameters, of which a token uses ${model.experts_per_token} of ${formatCount(model.experts)} experts in each of ${formatCount(model.layers)} layers.`,
    `${model.encoding} weights, ${formatBytes(model.size_bytes)}. A conversation may have ${formatCount(model.context)} tokens.`,
  ];
  return fact(
    "info",
    "The model",
    lines.map((l) => h("p", {}, visible(l))),
  );
}

function placeFact(cluster, onCluster) {
  const { nodes, own, model } = cluster;
  const all = model.layers * model.experts;
  const here = ownersOf(cluster).counts.get(HERE) ?? 0;
  const lines = [];
  if (nodes.length === 0) lines.push(h("p", {}, "All of them are in this server's own memory. There are no nodes."));
  else {
    if (own && here > 0)
      lines.push(h("p", {}, `${here === all ? "All" : formatCount(here)} are in this server's own memory.`));
    lines.push(
      h(
        "ul",
        { class: "fact-nodes" },
        nodes
          .slice(0, 6)
          .map((n) =>
            h(
              "li",
              { title: n.address },
              h("b", {}, visible(n.name || n.address)),
              h("span", {}, `experts ${formatRange(n.experts)}`),
            ),
          ),
      ),
    );
    if (nodes.length > 6) lines.push(h("p", {}, `and ${formatCount(nodes.length - 6)} more nodes.`));
  }
  return fact(
    "nodes",
    "Where its experts are",
    ...lines,
    h("button", { type: "button", class: "link-button", on: { click: onCluster } }, "Watch them work"),
  );
}

function privacyFact({ nodes }) {
  const lines = [];
  const { hostname, host, protocol } = location;
  if (!isLocal(hostname))
    lines.push(
      `What you write goes from this device to ${host}, ${protocol === "https:" ? "encrypted" : "in the clear: use https on a network that is not your own"}.`,
    );
  if (nodes.length === 0)
    lines.push(
      isLocal(hostname)
        ? "Nothing. Your text, the model and its answers stay on this machine."
        : "From there nothing goes on: the model is computed on that machine.",
    );
  else {
    lines.push("Your text and the memory of the conversation stay with the server.");
    lines.push(
      "Nodes get numbers: for each token and layer, the layer's activations, and which experts to apply. They carry no names and no text, but whoever runs a node could try to infer from them what it is about.",
    );
  }
  lines.push("This page loads nothing from elsewhere. Conversations are kept in this browser only.");
  return fact(
    "shield",
    isLocal(hostname) ? "What leaves this machine" : "Where your text goes",
    lines.map((l) => h("p", {}, l)),
  );
}

// What a model thought before its answer: folded, with a line of it while it thinks.

import { formatDuration } from "../text/format.js";
import { h, icon } from "./dom.js";
import { MarkdownView } from "./markdown.js";

export class ThoughtsView {
  element;
  #summary = h("span", { class: "thoughts-title" });
  #line = h("span", { class: "thoughts-line", ariaHidden: "true" });
  #body = new MarkdownView();
  #text = "";

  constructor() {
    this.element = h(
      "details",
      { class: "thoughts", on: { toggle: () => this.#fill() } },
      h("summary", {}, icon("think"), this.#summary, this.#line),
      h("div", { class: "thoughts-body" }, this.#body.element),
    );
  }

  show(message) {
    const isThinking = message.thinkingSince !== undefined;
    this.#text = message.thoughts;
    this.element.hidden = message.thoughts === "";
    this.element.classList.toggle("is-thinking", isThinking);
    const ms = (message.thinkingMs ?? 0) + (isThinking ? Date.now() - message.thinkingSince : 0);
    const time =
      ms >= 1000
        ? ` ${isThinking ? "" : "for "}${formatDuration(Math.floor(ms / 1000) * 1000).replace(".0 s", " s")}`
        : "";
    this.#summary.textContent = isThinking ? `Thinking…${time}` : `Thought${time}`;
    this.#line.textContent = isThinking ? lastLine(message.thoughts) : "";
    this.#fill();
  }

  // Folded thoughts cost nothing.
  #fill() {
    if (this.element.open) this.#body.update(this.#text);
  }
}

function lastLine(text) {
  const lines = text
    .slice(-400)
    .split("\n")
    .map((l) => l.trim())
    .filter((l) => l !== "");
  return (lines.at(-1) ?? "").replace(/[*_#`]/g, "").slice(-120);
}

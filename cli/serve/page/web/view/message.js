// One message, with what can be done with it.

import { branchOf, canContinue, isOpen } from "../store/conversation.js";
import { formatBytes, formatCount, formatDuration, formatRate, plural } from "../text/format.js";
import { copyButton, h, icon, iconButton, visible } from "./dom.js";
import { MarkdownView } from "./markdown.js";
import { ThoughtsView } from "./thoughts.js";

const FOLDED_LINES = 16; // of a question that is long
const FOLDED_CHARACTERS = 1600;

/** "‹ 2 of 3 ›" */
function branches(chat, id) {
  const { all, index } = branchOf(chat.shown, id);
  if (all.length < 2) return null;
  const go = (to) => () => chat.choose(all[to]);
  return h(
    "span",
    { class: "branches", role: "group", ariaLabel: "Versions" },
    iconButton("left", "Earlier version", go(index - 1), { disabled: index === 0 }),
    h("span", { class: "branches-count" }, `${index + 1} of ${all.length}`),
    iconButton("right", "Later version", go(index + 1), { disabled: index === all.length - 1 }),
  );
}

export class QuestionView {
  element = h("article", { class: "message question", ariaLabel: "You" });
  #chat;
  #key = "";

  constructor(chat) {
    this.#chat = chat;
  }

  show(message) {
    const { all, index } = branchOf(this.#chat.shown, message.id);
    const key = `${message.id} ${index} ${all.length} ${this.#chat.isAnswering}`;
    if (key === this.#key) return;
    this.#key = key;
    this.message = message;
    const text = h("div", { class: "question-text", dir: "auto" }, visible(message.text));
    const isLong =
      message.text.length > FOLDED_CHARACTERS || message.text.split("\n", FOLDED_LINES + 1).length > FOLDED_LINES;
    this.element.replaceChildren(
      h("div", { class: "bubble" }, text, isLong ? this.#unfold(text) : null),
      h(
        "div",
        { class: "actions" },
        branches(this.#chat, message.id),
        copyButton("Copy question", () => message.text),
        iconButton("edit", "Edit", () => this.edit(), { disabled: this.#chat.isAnswering }),
      ),
    );
  }

  #unfold(text) {
    text.classList.add("is-folded");
    const button = h(
      "button",
      {
        type: "button",
        class: "link-button",
        ariaExpanded: "false",
        on: {
          click: () => {
            const isFolded = text.classList.toggle("is-folded");
            button.textContent = isFolded ? "Show all" : "Show less";
            button.setAttribute("aria-expanded", String(!isFolded));
          },
        },
      },
      "Show all",
    );
    return button;
  }

  edit() {
    if (this.#chat.isAnswering) return;
    const area = h("textarea", {
      class: "edit-text",
      ariaLabel: "Edit question",
      rows: "3",
      on: {
        keydown: (e) => {
          if (e.key === "Escape") close();
          else if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) send();
          else return;
          e.preventDefault();
          e.stopPropagation();
        },
      },
    });
    area.value = this.message.text;
    const close = () => {
      this.#key = "";
      this.show(this.message);
    };
    const send = () => {
      const text = area.value.trim();
      if (text === "" || text === this.message.text) return close();
      this.#key = "";
      return this.#chat.edit(this.message.id, text);
    };
    this.element.replaceChildren(
      h(
        "div",
        { class: "edit" },
        area,
        h(
          "div",
          { class: "edit-buttons" },
          h("span", { class: "hint" }, "The earlier version stays as a branch."),
          h("button", { type: "button", class: "button", on: { click: close } }, "Cancel"),
          h("button", { type: "button", class: "button primary", on: { click: send } }, "Send"),
        ),
      ),
    );
    area.style.setProperty("height", `${Math.min(area.scrollHeight + 4, 400)}px`);
    area.focus();
  }
}

export class AnswerView {
  element = h("article", { class: "message answer", ariaLabel: "Answer" });
  #chat;
  #thoughts = new ThoughtsView();
  #text = new MarkdownView();
  #waiting = h("div", { class: "waiting" });
  #notice = h("div", { class: "notice-place" });
  #actions = h("div", { class: "actions" });
  #key = "";

  constructor(chat) {
    this.#chat = chat;
    this.element.append(this.#thoughts.element, this.#text.element, this.#waiting, this.#notice, this.#actions);
  }

  show(message) {
    this.message = message;
    const open = isOpen(message);
    this.#thoughts.show(message);
    this.#text.update(message.text);
    this.element.classList.toggle("is-streaming", message.state === "streaming" && message.thinkingSince === undefined);
    this.element.setAttribute("aria-busy", String(open));
    this.#showWaiting(message, open);
    const { all, index } = branchOf(this.#chat.shown, message.id);
    const key = `${message.state} ${message.reason} ${index} ${all.length} ${message.error?.message} ${this.#chat.isAnswering}`;
    if (key === this.#key) return;
    this.#key = key;
    this.#notice.replaceChildren(...this.#notices(message));
    this.#actions.replaceChildren(...(open ? [] : this.#buttons(message)));
  }

  #showWaiting(message, open) {
    const { progress } = message;
    this.#waiting.hidden = !open || (message.state === "streaming" && !message.isReconnecting);
    if (this.#waiting.hidden) return;
    if (message.isReconnecting) this.#waiting.replaceChildren(dots(), "The connection was lost. Trying again…");
    else if (progress?.total > 0 && progress.read < progress.total) {
      const percent = Math.round((100 * progress.read) / progress.total);
      this.#waiting.replaceChildren(
        h("progress", { max: "100", value: String(percent), ariaLabel: "Reading the prompt" }),
        ` Reading ${plural(progress.total, "token")}${progress.cached > 0 ? `, ${formatCount(progress.cached)} of them known` : ""}`,
      );
    } else if (this.#waiting.childElementCount !== 1) this.#waiting.replaceChildren(dots());
  }

  #notices(message) {
    const go = (label, f) => h("button", { type: "button", class: "button", on: { click: f } }, label);
    const { id, error, state, reason } = message;
    const onward = canContinue(message) ? go("Continue", () => this.#chat.continue(id)) : null;
    switch (state) {
      case "stopped":
        return [notice("", message.text === "" ? "Stopped before the answer began." : "Stopped.", onward)];
      case "lost":
        return [
          notice(
            "warning",
            `The rest of this answer is lost: ${error?.message ?? "its page was left for too long"}.`,
            onward ?? go("Ask again", () => this.#chat.retry(id)),
          ),
        ];
      case "failed": {
        if (error?.promptTokens > 0) {
          const text = `The conversation has ${plural(error.promptTokens, "token")}; the model takes ${formatCount(error.contextTokens)}.`;
          return [
            notice(
              "error",
              text,
              go("Leave out the oldest turns", () => this.#chat.leaveOutAndRetry(id)),
            ),
          ];
        }
        return [
          notice(
            "error",
            error?.message ?? "The answer failed.",
            onward ?? go("Try again", () => this.#chat.retry(id)),
          ),
        ];
      }
      default:
        if (reason === "max_tokens") return [notice("", "The answer reached its longest length.", onward)];
        if (reason === "context_full")
          return [notice("warning", "The context is full: nothing more fits behind this conversation.", null)];
        return message.text === "" && state === "done"
          ? [
              notice(
                "",
                "The model ended without an answer.",
                go("Ask again", () => this.#chat.regenerate(id)),
              ),
            ]
          : [];
    }
  }

  #buttons(message) {
    const { id } = message;
    const busy = this.#chat.isAnswering;
    return [
      branches(this.#chat, id),
      message.text === "" ? null : copyButton("Copy answer as Markdown", () => message.text),
      iconButton("retry", "Regenerate", () => this.#chat.regenerate(id), { disabled: busy }),
      iconButton("branch", "Go on from here in a new conversation", () => this.#chat.branchOff(id)),
      message.stats ? numbers(message.stats) : null,
    ].filter((x) => x !== null);
  }
}

function dots() {
  return h("span", { class: "dots", ariaHidden: "true" }, h("i"), h("i"), h("i"));
}

function notice(kind, text, button) {
  return h(
    "div",
    { class: `notice ${kind}` },
    kind === "" ? null : icon("alert"),
    h("span", {}, visible(text)),
    button,
  );
}

/** What an answer cost: a short line, and all of it on demand. */
function numbers(s) {
  const rate = s.answerMs > 0 ? (Math.max(0, s.tokens - 1) * 1000) / s.answerMs : 0;
  const short = [`${formatRate(rate)} tokens/s`];
  if (s.nodes > 0) short.push(plural(s.nodes, "node"));
  const rows = [
    [
      "Answer",
      `${plural(s.tokens, "token")}${s.thoughtTokens > 0 ? `, ${formatCount(s.thoughtTokens)} of them thoughts` : ""}`,
    ],
    [
      "Time",
      `${formatDuration(s.answerMs)} for the answer, ${formatDuration(s.promptMs)} for reading${s.queuedMs >= 1 ? `, ${formatDuration(s.queuedMs)} waiting` : ""}`,
    ],
    ["Prompt", `${plural(s.promptTokens, "token")}, ${formatCount(s.cachedTokens)} of them from the cache`],
    s.nodes > 0 ? ["Nodes", `${formatCount(s.nodes)}, ${plural(s.roundTrips, "round trip")}`] : null,
    s.sentBytes + s.receivedBytes > 0
      ? ["Network", `${formatBytes(s.sentBytes)} sent, ${formatBytes(s.receivedBytes)} received`]
      : null,
    s.drafted > 0 ? ["Drafts", `${formatCount(s.accepted)} of ${formatCount(s.drafted)} accepted`] : null,
    s.seed !== undefined ? ["Seed", String(s.seed)] : null,
  ].filter((r) => r !== null);
  return h(
    "details",
    { class: "numbers" },
    h("summary", { title: "What this answer cost" }, short.join(" · ")),
    h(
      "dl",
      {},
      rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
    ),
  );
}

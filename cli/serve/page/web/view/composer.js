// Where a person writes: Enter sends (on a touch screen it makes a line), Shift+Enter makes a line, Escape stops.

import { announce, h, icon } from "./dom.js";

const MOST_FILE_BYTES = 1 << 20;
const isTouch = () => matchMedia("(pointer: coarse)").matches;

export class Composer {
  element;
  #chat;
  #area;
  #button;
  #thinking;
  #onEditLast;
  #drafts = new Map(); // conversation id → text

  constructor(chat, { onEditLast }) {
    this.#chat = chat;
    this.#onEditLast = onEditLast;
    this.#area = h("textarea", {
      id: "question",
      rows: "1",
      placeholder: "Ask something",
      ariaLabel: "Message",
      enterkeyhint: isTouch() ? "enter" : "send",
      dir: "auto",
      on: { input: () => this.#grow(), keydown: (e) => this.#key(e) },
    });
    this.#button = h("button", { type: "button", class: "send-button", on: { click: () => this.#press() } });
    this.#thinking = h(
      "button",
      {
        type: "button",
        class: "chip",
        ariaPressed: "false",
        title: "Whether the model thinks before it answers",
        on: { click: () => this.#toggleThinking() },
      },
      icon("think"),
      h("span", {}, "Think"),
    );
    this.element = h(
      "form",
      {
        class: "composer",
        on: { submit: (e) => e.preventDefault(), dragover: (e) => e.preventDefault(), drop: (e) => this.#drop(e) },
      },
      this.#area,
      h(
        "div",
        { class: "composer-bar" },
        this.#thinking,
        h("span", { class: "hint composer-hint" }, "Enter sends · Shift+Enter makes a line"),
        this.#button,
      ),
    );
    chat.addEventListener("shown", ({ detail }) => this.#sync(detail.isOther));
    chat.addEventListener("message", () => this.#showButton());
    this.#sync(false);
    this.#showThinking();
  }

  focus() {
    this.#area.focus();
  }

  /** Puts a text in, ready to be sent. */
  suggest(text) {
    this.#area.value = text;
    this.#grow();
    this.focus();
  }

  #current = null;
  #sync(isOther) {
    const { id } = this.#chat.shown;
    if (isOther && this.#current !== id) {
      this.#drafts.set(this.#current, this.#area.value);
      this.#area.value = this.#drafts.get(id) ?? "";
      this.#grow();
      if (!isTouch()) this.focus();
    }
    this.#current = id;
    this.#showButton();
    this.#showThinking();
  }

  #showButton() {
    const kind = this.#chat.isAnswering ? "stop" : "send";
    if (this.#button.dataset.kind !== kind) {
      this.#button.dataset.kind = kind;
      const label = kind === "stop" ? "Stop" : "Send";
      this.#button.setAttribute("aria-label", label);
      this.#button.title = kind === "stop" ? "Stop (Escape)" : label;
      this.#button.replaceChildren(icon(kind));
    }
    this.#button.disabled = kind === "send" && this.#area.value.trim() === "";
  }

  #showThinking() {
    const { thinking } = this.#chat.shown.settings;
    this.#thinking.setAttribute("aria-pressed", thinking === "on" ? "true" : thinking === "off" ? "false" : "mixed");
    this.#thinking.lastChild.textContent =
      thinking === "on" ? "Think: on" : thinking === "off" ? "Think: off" : "Think";
  }

  #toggleThinking() {
    const next = { undefined: "on", on: "off", off: undefined }[this.#chat.shown.settings.thinking];
    const settings = { ...this.#chat.shown.settings };
    if (next === undefined) delete settings.thinking;
    else settings.thinking = next;
    this.#chat.useSettings(settings);
    announce(next === undefined ? "Thinking as the model does by default" : `Thinking ${next}`);
  }

  #grow() {
    const { style } = this.#area;
    style.setProperty("height", "auto");
    style.setProperty("height", `${this.#area.scrollHeight}px`);
    this.#showButton();
  }

  #key(e) {
    if (e.isComposing) return;
    if (e.key === "Enter" && !e.shiftKey && (!isTouch() || e.ctrlKey || e.metaKey)) {
      e.preventDefault();
      this.#send();
    } else if (e.key === "ArrowUp" && this.#area.value === "" && !this.#chat.isAnswering) {
      e.preventDefault();
      this.#onEditLast();
    }
  }

  #press() {
    if (this.#chat.isAnswering) this.#chat.stop();
    else this.#send();
    this.focus();
  }

  #send() {
    const text = this.#area.value.trim();
    if (text === "" || this.#chat.isAnswering) return;
    this.#area.value = "";
    this.#grow();
    this.#chat.send(text);
    announce("Sent. The model is answering.");
  }

  // A file of text becomes part of the message.
  async #drop(e) {
    const files = [...(e.dataTransfer?.files ?? [])];
    if (files.length === 0) return;
    e.preventDefault();
    for (const file of files) {
      const text = file.size <= MOST_FILE_BYTES ? await file.text() : null;
      if (text === null || text.includes("\u0000")) {
        this.#chat.dispatchEvent(
          new CustomEvent("problem", {
            detail: { text: `${file.name}: ${text === null ? "is larger than 1 MB" : "is no text"}` },
          }),
        );
        continue;
      }
      const fence = "`".repeat(1 + Math.max(2, ...[...text.matchAll(/`+/g)].map((m) => m[0].length)));
      this.#area.value += `${this.#area.value === "" ? "" : "\n"}${file.name}:\n${fence}\n${text.trimEnd()}\n${fence}\n`;
    }
    this.#grow();
    this.focus();
  }
}

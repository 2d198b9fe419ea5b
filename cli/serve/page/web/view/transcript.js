// The messages of the conversation that is shown. Views of messages are kept while their message is shown; an answer
// that comes is drawn as often as the machine can draw it without being busy with nothing else.

import { isOpen, pathOf } from "../store/conversation.js";
import { announce, h, iconButton } from "./dom.js";
import { AnswerView, QuestionView } from "./message.js";

const NEAR_END_PX = 60;
const MOST_BUSY = 0.25; // share of the time that drawing may take
const MOST_SPOKEN = 600; // characters of an answer that are read aloud when it ends

export class Transcript {
  #chat;
  #list = h("div", { class: "messages", role: "log", ariaLabel: "Conversation", ariaLive: "off", tabindex: "-1" });
  #scroller;
  #toEnd;
  #views = new Map(); // message id → view
  #changed = new Set(); // ids of messages to draw
  #timer = null;
  #drawnUntil = 0; // not to be drawn before
  #sticks = true; // the end is in view and stays so

  /** `welcome` is shown where there are no messages. */
  constructor(chat, scroller, welcome) {
    this.#chat = chat;
    this.#scroller = scroller;
    this.#toEnd = iconButton("down", "To the end", () => this.toEnd(), { class: "icon-button to-end", hidden: true });
    scroller.append(welcome, this.#list, h("div", { class: "to-end-place" }, this.#toEnd));
    this.welcome = welcome;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    chat.addEventListener("shown", ({ detail }) => this.#sync(detail.isOther === true));
    chat.addEventListener("message", ({ detail }) => this.#mark(detail.message));
    chat.addEventListener("ended", ({ detail }) => this.#speak(detail));
    // The time that a thought has taken goes on while nothing comes.
    setInterval(() => {
      if (chat.answering?.thinkingSince !== undefined) this.#mark(chat.answering);
    }, 1000);
    this.#sync(true);
  }

  toEnd() {
    this.#sticks = true;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#toEnd.hidden = true;
  }

  /** Opens the last question for editing. */
  editLast() {
    const question = pathOf(this.#chat.shown).findLast((m) => m.role === "user");
    this.#views.get(question?.id)?.edit();
  }

  #sync(isOther) {
    if (isOther) {
      this.#views.clear();
      this.#list.replaceChildren();
      this.#sticks = true;
    }
    const path = pathOf(this.#chat.shown);
    this.welcome.hidden = path.length > 0;
    this.#list.hidden = path.length === 0;
    const shown = new Set(path.map((m) => m.id));
    for (const [id, view] of this.#views)
      if (!shown.has(id)) {
        view.element.remove();
        this.#views.delete(id);
      }
    this.#list.querySelector(".send-from")?.remove();
    let before = null;
    for (const message of path) {
      let view = this.#views.get(message.id);
      if (view === undefined) {
        view = message.role === "user" ? new QuestionView(this.#chat) : new AnswerView(this.#chat);
        this.#views.set(message.id, view);
      }
      view.show(message);
      if (before === null ? this.#list.firstChild !== view.element : before.nextSibling !== view.element) {
        if (before === null) this.#list.prepend(view.element);
        else before.after(view.element);
      }
      before = view.element;
    }
    this.#showBeginning(path);
    if (path.some(isOpen)) this.#sticks = true;
    if (this.#sticks) this.toEnd();
  }

  // What is above is not sent any more.
  #showBeginning(path) {
    const { sendFrom } = this.#chat.shown;
    if (!path.some((m) => m.id === sendFrom) || path[0].id === sendFrom) return;
    this.#views
      .get(sendFrom)
      .element.before(
        h(
          "div",
          { class: "send-from" },
          h("span", {}, "The messages above are no longer sent to the model."),
          h(
            "button",
            { type: "button", class: "link-button", on: { click: () => this.#chat.sendFrom(null) } },
            "Send them again",
          ),
        ),
      );
  }

  #mark(message) {
    if (!this.#views.has(message.id)) return;
    this.#changed.add(message.id);
    if (!isOpen(message)) {
      // The buttons of all others depend on whether an answer is under way.
      for (const id of this.#views.keys()) this.#changed.add(id);
      this.#drawnUntil = 0;
    }
    if (this.#timer !== null) return;
    const wait = Math.max(0, this.#drawnUntil - performance.now());
    this.#timer = setTimeout(() => requestAnimationFrame(() => this.#draw()), wait);
  }

  #draw() {
    this.#timer = null;
    const begin = performance.now();
    for (const id of this.#changed) {
      const message = this.#chat.shown.messages[id];
      if (message) this.#views.get(id)?.show(message);
    }
    this.#changed.clear();
    if (this.#sticks)
      this.#scroller.scrollTop = this.#scroller.scrollHeight; // lays the page out: part of the cost
    else this.#scrolled();
    const cost = performance.now() - begin;
    this.#drawnUntil = performance.now() + cost * (1 / MOST_BUSY - 1);
  }

  #scrolled() {
    const s = this.#scroller;
    const rest = s.scrollHeight - s.scrollTop - s.clientHeight;
    this.#sticks = rest < NEAR_END_PX;
    this.#toEnd.hidden = this.#sticks;
  }

  #speak({ conversation, message }) {
    if (conversation.id !== this.#chat.shown.id) return;
    if (message.state === "done") announce(`Answer complete. ${message.text.slice(0, MOST_SPOKEN)}`);
    else if (message.state === "stopped") announce("Stopped.");
    else announce(`The answer failed. ${message.error?.message ?? ""}`);
  }
}

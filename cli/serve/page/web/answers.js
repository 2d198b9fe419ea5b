// The answers that this tab reads from the server: what comes is put into their messages, saved, and told to other tabs.

import { isOpen } from "./store/conversation.js";
import { ApiError } from "./stream/errors.js";
import { applyEvent, errorOf, finish } from "./stream/events.js";
import { AnswerGone, readAnswer } from "./stream/reader.js";

const SAVE_MS = 1000; // while an answer comes
const TELL_MS = 150; // to other tabs

export class Answers {
  #server;
  #tabs;
  #on;
  #all = new Map(); // message id → {conversation, message, id, abort, saving: a timer, told: when}

  /** `on`: {onChange(conversation, message), onEnd(conversation, message), save(conversation)} */
  constructor(server, tabs, on) {
    this.#server = server;
    this.#tabs = tabs;
    this.#on = on;
  }

  has(messageId) {
    return this.#all.has(messageId);
  }

  /** Those of which an answer is read: an answer changes its conversation's object. */
  conversations() {
    return new Set([...this.#all.values()].map((a) => a.conversation));
  }

  /** Reads the answer of `message.stream`; asks for it first if there is a `body`. */
  async read(conversation, message, body) {
    const answer = {
      conversation,
      message,
      id: message.stream.id,
      abort: new AbortController(),
      saving: null,
      told: 0,
    };
    this.#all.set(message.id, answer);
    this.#tabs.own(answer.id);
    this.#changed(answer);
    try {
      await readAnswer({
        request: this.#server.request,
        id: answer.id,
        body,
        offset: message.stream.offset,
        signal: answer.abort.signal,
        onEvent: (event, end) => this.#event(answer, event, end),
        onState: (state) => {
          message.isReconnecting = state === "reconnecting";
          this.#changed(answer);
        },
      });
    } catch (error) {
      if (answer.abort.signal.aborted) return;
      finish(message, Date.now());
      message.state = error instanceof AnswerGone ? "lost" : "failed";
      message.error = error instanceof ApiError ? error.told : errorOf(error);
    }
    this.#ended(answer);
  }

  /** Reads answers of a conversation that nobody reads, because their page was left. */
  async takeUp(conversation) {
    const open = Object.values(conversation?.messages ?? {}).filter((m) => m.role === "assistant" && isOpen(m));
    for (const { id } of open) {
      const { stream } = conversation.messages[id];
      if (this.#all.has(id) || !stream || (await this.#tabs.isElsewhere(stream.id))) continue;
      // The other tab may have told its end meanwhile.
      const message = conversation.messages[id];
      if (isOpen(message) && message.stream && !this.#all.has(id)) this.read(conversation, message);
    }
  }

  /** Ends an answer by a person's wish; false if it is not read here. */
  stop(messageId) {
    const answer = this.#all.get(messageId);
    if (answer === undefined) return false;
    this.#forget(answer, "stopped");
    this.#server.stop(answer.id);
    finish(answer.message, Date.now());
    answer.message.state = "stopped";
    this.#ended(answer);
    return true;
  }

  /** Ends the answers of a conversation that is no more; of null: all. */
  drop(conversationId) {
    for (const answer of this.#all.values()) {
      if (conversationId !== null && answer.conversation.id !== conversationId) continue;
      this.#forget(answer, "deleted");
      this.#server.stop(answer.id);
    }
  }

  /** Another tab reads this answer. */
  release(id) {
    for (const answer of this.#of(id)) this.#forget(answer, "read by another tab");
  }

  /** Tells other tabs how far an answer is. */
  tell(id) {
    for (const answer of this.#of(id)) this.#tell(answer);
  }

  #of(id) {
    return [...this.#all.values()].filter((a) => a.id === id);
  }

  #forget(answer, why) {
    if (!answer.abort.signal.aborted && why !== "ended") answer.abort.abort(new Error(why));
    clearTimeout(answer.saving);
    this.#all.delete(answer.message.id);
    this.#tabs.release(answer.id);
  }

  #event(answer, event, end) {
    const { message } = answer;
    if (message.stream) message.stream.offset = end;
    if (event.kind === "text" || event.kind === "thought") message.state = "streaming";
    applyEvent(message, event, Date.now());
    this.#changed(answer);
    answer.saving ??= setTimeout(() => {
      answer.saving = null;
      this.#on.save(answer.conversation);
    }, SAVE_MS);
  }

  #ended(answer) {
    const { message, conversation } = answer;
    this.#forget(answer, "ended");
    delete message.isReconnecting;
    conversation.updated = Date.now();
    this.#changed(answer);
    this.#tell(answer);
    this.#on.save(conversation);
    this.#on.onEnd(conversation, message);
  }

  #changed(answer) {
    const { message, conversation } = answer;
    message.changed = Date.now();
    this.#on.onChange(conversation, message);
    if (message.changed - answer.told >= TELL_MS) this.#tell(answer);
  }

  #tell(answer) {
    answer.told = Date.now();
    this.#tabs.tell({ kind: "message", conversation: answer.conversation.id, message: answer.message });
  }
}

// Tabs of this page in one browser: each tells the others what it has saved and what comes of an answer that it reads,
// and one answer is read by one tab.

import { newId } from "./conversation.js";

const ANSWER_MS = 250; // how long another tab has to say that an answer is its own

export class Tabs {
  id = newId();
  #channel;
  #owned = new Set(); // ids of answers that this tab reads
  #waiting = new Map(); // ids of answers → what to call if another tab reads it

  /**
   * `onMessage` gets what other tabs tell: {kind: "saved" | "removed" | "message", …}, and what concerns an answer that
   * this tab reads: {kind: "who"}: another tab would like to know how far it is · {kind: "release"}: another reads it.
   */
  constructor(onMessage, channel = typeof BroadcastChannel === "function" ? new BroadcastChannel("larql") : null) {
    this.#channel = channel;
    if (channel === null) return;
    channel.onmessage = ({ data }) => {
      if (data.kind === "who") {
        if (!this.#owned.has(data.answer)) return;
        channel.postMessage({ kind: "mine", answer: data.answer, tab: this.id });
        onMessage(data);
      } else if (data.kind === "mine") {
        this.#waiting.get(data.answer)?.();
        // Two tabs that took it up at the same moment: the one with the smaller id keeps it.
        if (this.#owned.has(data.answer) && data.tab < this.id) onMessage({ kind: "release", answer: data.answer });
      } else onMessage(data);
    };
  }

  tell(message) {
    this.#channel?.postMessage(message);
  }

  own(answer) {
    this.#owned.add(answer);
    this.tell({ kind: "mine", answer, tab: this.id });
  }

  release(answer) {
    this.#owned.delete(answer);
  }

  /** Whether another tab reads this answer. */
  async isElsewhere(answer) {
    if (this.#channel === null) return false;
    return new Promise((resolve) => {
      const end = (is) => {
        clearTimeout(timer);
        this.#waiting.delete(answer);
        resolve(is);
      };
      const timer = setTimeout(() => end(false), ANSWER_MS);
      this.#waiting.set(answer, () => end(true));
      this.tell({ kind: "who", answer });
    });
  }
}

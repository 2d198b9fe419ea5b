// The conversations of this page and the answers that are under way: what views show, and what they ask for.
//
// Events   "list": titles, times or their number · "shown": another conversation, or other messages of it
//          "message" {message}: a message of the conversation that is shown · "problem" {text}

import { Answers } from "./answers.js";
import {
  addMessage,
  branchOff,
  canContinue,
  childrenOf,
  choose,
  headOf,
  isOpen,
  laterBeginning,
  newConversation,
  newId,
  pathOf,
  requestMessages,
} from "./store/conversation.js";
import { requestFields } from "./store/settings.js";
import { Tabs } from "./store/tabs.js";

const LOOK_MS = 2000; // for answers whose tab was closed

export class Chat extends EventTarget {
  /** The conversation that is shown; one that nobody has written in is not kept. */
  shown;
  heads = [];
  #server;
  #database;
  #preferences;
  #tabs;
  #answers;

  constructor(server, database, preferences) {
    super();
    this.#server = server;
    this.#database = database;
    this.#preferences = preferences;
    this.#tabs = new Tabs((message) => this.#fromTab(message));
    this.#answers = new Answers(server, this.#tabs, {
      onChange: (conversation, message) => {
        if (conversation.id === this.shown.id) this.#emit("message", { message });
      },
      onEnd: (conversation, message) => this.#emit("ended", { conversation, message }),
      save: (conversation) => this.#save(conversation),
    });
    this.shown = newConversation(preferences.settings);
  }

  async start(id) {
    await this.#readHeads();
    if (id !== null) await this.open(id);
    // Answers that another visit of this page has left.
    for (const head of this.heads.filter((h) => h.isAnswering && h.id !== this.shown.id))
      await this.#answers.takeUp(await this.#load(head.id));
    setInterval(() => this.#answers.takeUp(this.shown), LOOK_MS);
  }

  // ---- conversations ------------------------------------------------------------------------------------------------

  newConversation() {
    this.#show(newConversation(this.#preferences.settings));
  }

  async open(id) {
    const conversation = await this.#load(id);
    if (conversation === undefined) return false;
    this.#show(conversation);
    await this.#answers.takeUp(conversation);
    return true;
  }

  async remove(id) {
    this.#answers.drop(id);
    await this.#database.remove(id);
    this.#tabs.tell({ kind: "removed", conversation: id });
    if (this.shown.id === id) this.newConversation();
    await this.#readHeads();
  }

  async removeAll() {
    this.#answers.drop(null);
    await this.#database.clear();
    this.#tabs.tell({ kind: "removed", conversation: null });
    this.newConversation();
    await this.#readHeads();
  }

  async rename(id, title) {
    const conversation = id === this.shown.id ? this.shown : await this.#load(id);
    if (conversation === undefined) return;
    conversation.title = title;
    conversation.isTitled = true;
    await this.#save(conversation);
    if (id === this.shown.id) this.#emit("shown");
  }

  all() {
    return this.#database.all();
  }

  /** Takes conversations from a file; those that are here already stay as they are. Returns how many are new. */
  async add(conversations) {
    let added = 0;
    for (const c of conversations) {
      const here = await this.#database.get(c.id);
      if (here !== undefined && here.updated === c.updated) continue;
      if (here !== undefined) c.id = newId();
      await this.#save(c);
      ++added;
    }
    return added;
  }

  /** Settings of the conversation that is shown. */
  async useSettings(settings) {
    this.shown.settings = settings;
    this.#emit("shown");
    if (this.#isKept(this.shown)) await this.#save(this.shown);
  }

  async sendFrom(id) {
    this.shown.sendFrom = id;
    this.#emit("shown");
    await this.#save(this.shown);
  }

  // ---- what a person does -------------------------------------------------------------------------------------------

  get isAnswering() {
    return this.answering !== null;
  }

  /** The open answer of the path that is shown; null: none. */
  get answering() {
    return pathOf(this.shown).findLast((m) => m.role === "assistant" && isOpen(m)) ?? null;
  }

  send(text) {
    const parent = pathOf(this.shown).at(-1)?.id ?? null;
    return this.#ask(addMessage(this.shown, { parent, role: "user", text }));
  }

  /** Says something else in place of a question, as a branch. */
  edit(id, text) {
    return this.#ask(addMessage(this.shown, { parent: this.shown.messages[id].parent, role: "user", text }));
  }

  /** Another answer to the same question, as a branch. */
  regenerate(id) {
    return this.#ask(this.shown.messages[this.shown.messages[id].parent]);
  }

  continue(id) {
    const message = this.shown.messages[id];
    if (!canContinue(message)) return;
    delete message.error;
    delete message.reason;
    this.#request(this.shown, message, requestMessages(this.shown, id));
  }

  /** Leaves the oldest turns out of what is sent, so that there is room, and asks again. */
  leaveOutAndRetry(id) {
    const message = this.shown.messages[id];
    const { promptTokens, contextTokens } = message.error;
    const beginning = laterBeginning(this.shown, message.parent, 1 - (0.6 * contextTokens) / promptTokens);
    if (beginning === null) return false;
    this.shown.sendFrom = beginning;
    this.retry(id);
    this.#emit("shown");
    return true;
  }

  /** Asks again for an answer that failed, in its place. */
  retry(id) {
    const message = this.shown.messages[id];
    if (message.text !== "") return this.regenerate(id);
    delete message.error;
    message.thoughts = "";
    delete message.thinkingMs;
    this.#request(this.shown, message, requestMessages(this.shown, message.parent));
    return true;
  }

  stop() {
    const message = this.answering;
    if (message === null) return;
    // If another tab reads it, the server tells it.
    if (!this.#answers.stop(message.id) && message.stream) this.#server.stop(message.stream.id);
  }

  choose(id) {
    choose(this.shown, id);
    this.#save(this.shown);
    this.#emit("shown");
  }

  async branchOff(id) {
    const conversation = branchOff(this.shown, id);
    await this.#save(conversation);
    this.#show(conversation);
  }

  // ---- answers ------------------------------------------------------------------------------------------------------

  #ask(question) {
    const conversation = this.shown;
    const answer = addMessage(conversation, { parent: question.id, role: "assistant" });
    this.#emit("shown");
    this.#request(conversation, answer, requestMessages(conversation, question.id));
  }

  #request(conversation, message, messages) {
    message.state = "waiting";
    message.stream = { id: newId(), offset: 0 };
    conversation.updated = Date.now();
    this.#save(conversation);
    this.#answers.read(conversation, message, { ...requestFields(conversation.settings), messages });
  }

  /** Before the page goes: what has come is kept. */
  saveNow() {
    for (const conversation of this.#answers.conversations()) this.#save(conversation);
  }

  // ---- the store ----------------------------------------------------------------------------------------------------

  // An answer under way changes its conversation's object: whoever opens the conversation gets the same one.
  async #load(id) {
    return [...this.#answers.conversations()].find((c) => c.id === id) ?? this.#database.get(id);
  }

  #isKept(conversation) {
    return Object.keys(conversation.messages).length > 0;
  }

  async #save(conversation) {
    try {
      await this.#database.put(structuredClone(conversation));
      this.#tabs.tell({ kind: "saved", conversation: conversation.id });
      await this.#readHeads();
    } catch (error) {
      this.#emit("problem", { text: `This browser did not save the conversation: ${error.message}` });
    }
  }

  async #readHeads() {
    this.heads = await this.#database.heads();
    this.#emit("list");
  }

  #show(conversation) {
    this.shown = conversation;
    this.#emit("shown", { isOther: true });
    this.#emit("list");
  }

  async #fromTab(message) {
    switch (message.kind) {
      case "message":
        return this.#messageFromTab(message);
      case "who":
        return this.#answers.tell(message.answer);
      case "release":
        return this.#answers.release(message.answer);
      case "removed":
        this.#answers.drop(message.conversation);
        if (message.conversation === this.shown.id || message.conversation === null) this.newConversation();
        return this.#readHeads();
      case "saved": {
        await this.#readHeads();
        const isOurs = this.#answers.conversations().has(this.shown);
        if (message.conversation !== this.shown.id || isOurs) return undefined;
        const fresh = await this.#database.get(this.shown.id);
        if (fresh === undefined || fresh.id !== this.shown.id) return undefined;
        // Where this tab looks is its own: only what is new is taken.
        const { chosen } = this.shown;
        const isSame = headText(this.shown) === headText(fresh);
        this.shown = fresh;
        for (const [parent, child] of Object.entries(chosen))
          if (fresh.messages[child] && !isNewest(fresh, parent)) fresh.chosen[parent] = child;
        if (!isSame) this.#emit("shown");
        return undefined;
      }
      default:
        return undefined;
    }
  }

  #messageFromTab({ conversation, message }) {
    if (conversation !== this.shown.id || this.#answers.has(message.id)) return;
    if (this.shown.messages[message.id] === undefined) return; // comes with "saved"
    this.shown.messages[message.id] = message;
    this.#emit("message", { message });
  }

  #emit(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** What makes another tab draw a conversation anew. */
function headText(conversation) {
  return JSON.stringify([
    headOf(conversation).title,
    conversation.sendFrom,
    Object.values(conversation.messages).map((m) => [m.id, m.state]),
  ]);
}

/** Whether what another tab has chosen below a message is newer than all else there. */
function isNewest(conversation, parent) {
  const all = childrenOf(conversation, parent === "root" ? null : parent);
  return all.at(-1)?.id === conversation.chosen[parent];
}

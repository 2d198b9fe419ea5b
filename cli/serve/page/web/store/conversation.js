// A conversation: a tree of messages of which one path is shown. Editing a question or asking for another answer adds
// a branch; nothing that was said is lost.
//
//   {id, title, isTitled, created, updated, settings, chosen: {PARENT: CHILD}, sendFrom, messages: {ID: message}}
//   message {id, parent, role: "user" | "assistant", text, created, …}; of an assistant also
//     thoughts, state: "waiting" | "streaming" | "done" | "stopped" | "failed" | "lost"
//     reason, stats, error, progress, thinkingSince, thinkingMs
//     stream {id, offset}: how to take the answer up again
//
// Functions here change plain objects and do nothing else.

import { cleanSettings } from "./settings.js";

export const ROOT = "root";
const MOST_TITLE = 80;

export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
}

export function newConversation(settings = {}, now = Date.now()) {
  return {
    id: newId(),
    title: "",
    isTitled: false,
    created: now,
    updated: now,
    settings: cleanSettings(settings),
    chosen: {},
    sendFrom: null,
    messages: {},
  };
}

/** The messages that follow one, oldest first; of null: those a conversation can begin with. */
export function childrenOf(conversation, parent) {
  return Object.values(conversation.messages)
    .filter((m) => m.parent === parent)
    .sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
}

/** The messages that are shown, in their order. */
export function pathOf(conversation) {
  const children = new Map();
  for (const m of Object.values(conversation.messages)) {
    const list = children.get(m.parent);
    if (list) list.push(m);
    else children.set(m.parent, [m]);
  }
  const out = [];
  for (let parent = null; children.has(parent); parent = out[out.length - 1].id) {
    const list = children.get(parent);
    const chosen = list.find((m) => m.id === conversation.chosen[parent ?? ROOT]);
    out.push(chosen ?? list.reduce((a, b) => (b.created >= a.created ? b : a)));
  }
  return out;
}

/** The path down to a message, itself included. */
export function pathTo(conversation, id) {
  const out = [];
  const seen = new Set();
  for (let m = conversation.messages[id]; m !== undefined && !seen.has(m.id); m = conversation.messages[m.parent]) {
    seen.add(m.id);
    out.push(m);
  }
  return out.reverse();
}

/** Adds a message and shows it. */
export function addMessage(conversation, { parent, role, text = "" }, now = Date.now()) {
  const siblings = childrenOf(conversation, parent);
  const created = siblings.length > 0 ? Math.max(now, siblings[siblings.length - 1].created + 1) : now;
  const message = { id: newId(), parent, role, text, created };
  if (role === "assistant") Object.assign(message, { thoughts: "", state: "waiting" });
  conversation.messages[message.id] = message;
  conversation.chosen[parent ?? ROOT] = message.id;
  conversation.updated = now;
  if (!conversation.isTitled && role === "user" && parent === null) conversation.title = titleOf(text);
  return message;
}

/** Shows the branch that leads through a message. */
export function choose(conversation, id) {
  const message = conversation.messages[id];
  if (message) conversation.chosen[message.parent ?? ROOT] = id;
}

/** Which of how many branches a message is, from 0. */
export function branchOf(conversation, id) {
  const all = childrenOf(conversation, conversation.messages[id].parent).map((m) => m.id);
  return { all, index: all.indexOf(id) };
}

/** A new conversation that holds the path down to a message. */
export function branchOff(conversation, id, now = Date.now()) {
  const out = newConversation(conversation.settings, now);
  out.title = conversation.title;
  out.isTitled = conversation.isTitled;
  let parent = null;
  for (const m of pathTo(conversation, id)) {
    const copy = structuredClone(m);
    copy.id = newId();
    copy.parent = parent;
    if (copy.role === "assistant" && isOpen(copy)) copy.state = "stopped";
    delete copy.stream;
    delete copy.progress;
    out.messages[copy.id] = copy;
    out.chosen[parent ?? ROOT] = copy.id;
    if (conversation.sendFrom === m.id) out.sendFrom = copy.id;
    parent = copy.id;
  }
  return out;
}

/** An answer that has not ended. */
export function isOpen(message) {
  return message.state === "waiting" || message.state === "streaming";
}

/** An answer that was cut and has a text to go on from. */
export function canContinue(message) {
  if (message.role !== "assistant" || message.text === "" || isOpen(message)) return false;
  return message.state !== "done" || message.reason === "max_tokens" || message.reason === "context_full";
}

/** The messages of a request for what follows `id`, or that continues `id` if it is an answer. */
export function requestMessages(conversation, id) {
  const path = pathTo(conversation, id);
  const from = Math.max(
    0,
    path.findIndex((m) => m.id === conversation.sendFrom),
  );
  const out = [];
  const { system } = conversation.settings;
  if (system) out.push({ role: "system", content: system });
  for (const m of path.slice(from)) {
    // An answer of which nothing came is no turn; the questions around it stay apart.
    if (m.role === "assistant" && m.text === "") continue;
    out.push({ role: m.role, content: m.text });
  }
  return out;
}

/**
 * Where to begin, so that about `share` of what is sent now is left out: the id of a question, or null if there is
 * no earlier turn to leave out. The last question is always sent.
 */
export function laterBeginning(conversation, id, share) {
  const path = pathTo(conversation, id);
  const from = Math.max(
    0,
    path.findIndex((m) => m.id === conversation.sendFrom),
  );
  const sent = path.slice(from);
  const lengths = sent.map((m) => m.text.length + 16);
  const goal = share * lengths.reduce((a, b) => a + b, 0);
  let left = 0;
  let best = null;
  for (let i = 0; i < sent.length; ++i) {
    if (i > 0 && sent[i].role === "user") {
      best = sent[i].id;
      if (left >= goal) return best;
    }
    left += lengths[i];
  }
  return best;
}

/** The beginning of a text, in one line. */
export function titleOf(text) {
  const line = text.replace(/[\s\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]+/g, " ").trim();
  if (line.length <= MOST_TITLE) return line;
  const cut = [...line.slice(0, MOST_TITLE)].slice(0, -1).join("");
  const space = cut.lastIndexOf(" ");
  return `${space > MOST_TITLE / 2 ? cut.slice(0, space) : cut}…`;
}

/**
 * Takes over what another tab has saved meanwhile: messages that are only there, and the later state of those that are
 * in both.
 */
export function mergeSaved(conversation, saved) {
  for (const [id, theirs] of Object.entries(saved?.messages ?? {})) {
    const ours = conversation.messages[id];
    if (ours === undefined || (theirs.changed ?? 0) > (ours.changed ?? 0)) conversation.messages[id] = theirs;
  }
  return conversation;
}

/** What a list shows of it. */
export function headOf(conversation) {
  const { id, title, created, updated } = conversation;
  const isAnswering = Object.values(conversation.messages).some(isOpen);
  return { id, title, created, updated, isAnswering };
}

// Conversations as a file, and back. What comes from a file is believed in nothing: each field is checked and copied,
// ids of messages are made anew.

import { ROOT, newId, titleOf } from "./conversation.js";
import { cleanSettings } from "./settings.js";

const FORMAT = "larql-conversations";
const VERSION = 1;
const MOST_CONVERSATIONS = 20_000;
const MOST_MESSAGES = 20_000;
const STATES = ["done", "stopped", "failed", "lost"];
const REASONS = ["stop", "stop_text", "max_tokens", "context_full"];

export function exportText(conversations, now = new Date()) {
  return JSON.stringify(
    { format: FORMAT, version: VERSION, exported: now.toISOString(), conversations: conversations.map(forFile) },
    null,
    1,
  );
}

function forFile(conversation) {
  const messages = Object.values(conversation.messages).map(
    ({ stream: _, progress: _p, thinkingSince: _t, ...m }) => m,
  );
  return { ...conversation, messages };
}

/** {conversations, skipped}: what is in the text of a file, and why the rest is not. Throws if it is no such file. */
export function importText(text) {
  let file;
  try {
    file = JSON.parse(text);
  } catch {
    throw new Error("The file is not JSON.");
  }
  if (file?.format !== FORMAT) throw new Error("The file holds no conversations of this page.");
  if (!(file.version <= VERSION))
    throw new Error(`The file has version ${String(file.version)}; this page reads up to ${VERSION}.`);
  if (!Array.isArray(file.conversations) || file.conversations.length > MOST_CONVERSATIONS)
    throw new Error("The file has no list of conversations.");
  const out = { conversations: [], skipped: [] };
  file.conversations.forEach((c, i) => {
    try {
      out.conversations.push(conversationFrom(c));
    } catch (error) {
      out.skipped.push(`conversation ${i + 1}: ${error.message}`);
    }
  });
  return out;
}

function conversationFrom(c) {
  if (typeof c !== "object" || c === null) throw new Error("is no object");
  if (!Array.isArray(c.messages) || c.messages.length > MOST_MESSAGES) throw new Error("has no list of messages");
  const { messages, ids } = messagesFrom(c.messages);
  const first = Object.values(messages).find((m) => m.parent === null);
  const out = {
    id: typeof c.id === "string" && /^[0-9a-f]{32}$/.test(c.id) ? c.id : newId(),
    title: titleOf(typeof c.title === "string" && c.title !== "" ? c.title : (first?.text ?? "")),
    isTitled: c.isTitled === true,
    created: timeFrom(c.created),
    updated: timeFrom(c.updated),
    settings: cleanSettings(c.settings),
    chosen: {},
    sendFrom: ids.get(c.sendFrom) ?? null,
    messages,
  };
  for (const [parent, child] of Object.entries(c.chosen ?? {})) {
    const from = parent === ROOT ? ROOT : ids.get(parent);
    const to = ids.get(child);
    if (from !== undefined && to !== undefined) out.chosen[from] = to;
  }
  return out;
}

function messagesFrom(list) {
  const ids = new Map();
  for (const m of list) {
    if (typeof m?.id !== "string" || ids.has(m.id)) throw new Error("has a message without an id of its own");
    ids.set(m.id, newId());
  }
  const messages = {};
  const known = new Set();
  // Parents stand before what follows them; so there are no rings.
  for (const m of [...list].sort((a, b) => timeFrom(a.created) - timeFrom(b.created))) {
    if (m.parent !== null && !known.has(m.parent)) continue;
    known.add(m.id);
    const copy = messageFrom(m, ids);
    messages[copy.id] = copy;
  }
  return { messages, ids: new Map([...ids].filter(([old]) => known.has(old))) };
}

function messageFrom(m, ids) {
  if (m.role !== "user" && m.role !== "assistant") throw new Error("has a message of an unknown role");
  if (typeof m.text !== "string") throw new Error("has a message without a text");
  const out = {
    id: ids.get(m.id),
    parent: m.parent === null ? null : ids.get(m.parent),
    role: m.role,
    text: m.text,
    created: timeFrom(m.created),
  };
  if (m.role === "user") return out;
  out.thoughts = typeof m.thoughts === "string" ? m.thoughts : "";
  out.state = STATES.includes(m.state) ? m.state : "stopped";
  if (REASONS.includes(m.reason)) out.reason = m.reason;
  if (Number.isFinite(m.thinkingMs)) out.thinkingMs = m.thinkingMs;
  if (typeof m.error?.message === "string") out.error = { message: m.error.message };
  if (typeof m.stats === "object" && m.stats !== null) {
    out.stats = {};
    for (const [key, value] of Object.entries(m.stats).slice(0, 32))
      if (/^[a-zA-Z]{1,32}$/.test(key) && Number.isFinite(value)) out.stats[key] = value;
  }
  return out;
}

function timeFrom(x) {
  return Number.isFinite(x) && x >= 0 && x < 8.64e15 ? x : 0;
}

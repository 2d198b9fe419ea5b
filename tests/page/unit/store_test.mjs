import assert from "node:assert/strict";
import test from "node:test";

import "./setup.mjs";
import {
  addMessage,
  branchOf,
  branchOff,
  canContinue,
  choose,
  laterBeginning,
  mergeSaved,
  newConversation,
  pathOf,
  pathTo,
  requestMessages,
  titleOf,
} from "../../../cli/serve/page/web/store/conversation.js";
import { MemoryDatabase } from "../../../cli/serve/page/web/store/database.js";
import { Preferences } from "../../../cli/serve/page/web/store/preferences.js";
import { cleanSettings, requestFields } from "../../../cli/serve/page/web/store/settings.js";
import { exportText, importText } from "../../../cli/serve/page/web/store/transfer.js";

function talk(...texts) {
  const c = newConversation();
  let parent = null;
  texts.forEach((text, i) => {
    const m = addMessage(c, { parent, role: i % 2 === 0 ? "user" : "assistant", text }, 1000 + i);
    if (m.role === "assistant") m.state = "done";
    parent = m.id;
  });
  return c;
}
const texts = (list) => list.map((m) => m.text);

test("an edited question is a branch, and both can be shown", () => {
  const c = talk("a", "b", "c");
  const [, answer, first] = pathOf(c);
  const second = addMessage(c, { parent: answer.id, role: "user", text: "d" }, 2000);
  assert.deepEqual(texts(pathOf(c)), ["a", "b", "d"]);
  assert.deepEqual(branchOf(c, second.id), { all: [first.id, second.id], index: 1 });
  choose(c, first.id);
  assert.deepEqual(texts(pathOf(c)), ["a", "b", "c"]);
});

test("branches that begin in the same millisecond keep their order", () => {
  const c = talk("a");
  const ids = [1, 2, 3].map(() => addMessage(c, { parent: pathOf(c)[0].id, role: "assistant", text: "x" }, 5).id);
  assert.deepEqual(branchOf(c, ids[2]).all, ids);
});

test("a conversation that goes on elsewhere holds the path to its message, and nothing that is under way", () => {
  const c = talk("a", "b", "c", "d");
  const path = pathOf(c);
  path[3].state = "streaming";
  path[3].stream = { id: "x", offset: 3 };
  const other = branchOff(c, path[3].id);
  assert.deepEqual(texts(pathOf(other)), ["a", "b", "c", "d"]);
  assert.notEqual(pathOf(other)[0].id, path[0].id);
  assert.equal(pathOf(other)[3].state, "stopped");
  assert.equal(pathOf(other)[3].stream, undefined);
  assert.deepEqual(texts(pathOf(branchOff(c, path[1].id))), ["a", "b"]);
});

test("a request has the system prompt, the path, and no answer of which nothing came", () => {
  const c = talk("a", "", "c");
  c.settings = { system: "be brief" };
  assert.deepEqual(requestMessages(c, pathOf(c)[2].id), [
    { role: "system", content: "be brief" },
    { role: "user", content: "a" },
    { role: "user", content: "c" },
  ]);
});

test("the oldest turns can be left out, and a question is always first", () => {
  const c = talk("x".repeat(1000), "b", "y".repeat(1000), "d", "z", "f", "last");
  const last = pathOf(c)[6].id;
  c.sendFrom = laterBeginning(c, last, 0.4);
  assert.equal(c.messages[c.sendFrom].text[0], "y");
  assert.equal(requestMessages(c, last)[0].content[0], "y");
  c.sendFrom = laterBeginning(c, last, 0.99);
  assert.equal(c.messages[c.sendFrom].text, "last");
  assert.equal(laterBeginning(c, last, 0.5), null);
});

test("an answer that was cut can be continued, one that has ended cannot", () => {
  const of = (more) => canContinue({ role: "assistant", text: "x", ...more });
  assert.equal(of({ state: "done", reason: "stop" }), false);
  assert.equal(of({ state: "done", reason: "max_tokens" }), true);
  assert.equal(of({ state: "stopped" }), true);
  assert.equal(of({ state: "failed" }), true);
  assert.equal(of({ state: "streaming" }), false);
  assert.equal(of({ state: "stopped", text: "" }), false);
});

test("what two tabs save of a conversation is kept together", () => {
  const ours = talk("a", "b");
  const theirs = structuredClone(ours);
  const added = addMessage(theirs, { parent: pathOf(theirs)[1].id, role: "user", text: "theirs" });
  theirs.messages[pathOf(ours)[1].id].text = "old";
  pathOf(ours)[1].changed = 5;
  mergeSaved(ours, theirs);
  assert.equal(ours.messages[added.id].text, "theirs");
  assert.equal(pathOf(ours)[1].text, "b");
});

test("titles are one line without tricks", () => {
  assert.equal(titleOf("  a\n\tb\u202e\u0000c "), "a b c");
  assert.ok(titleOf("word ".repeat(100)).length <= 81);
  assert.equal([...titleOf("👩‍💻".repeat(100))].at(-1), "…");
});

test("conversations go into a file and come back the same", () => {
  const c = talk("a", "b", "c");
  addMessage(c, { parent: pathOf(c)[1].id, role: "user", text: "branch" }, 3000);
  c.settings = { temperature: 0.5, system: "s" };
  c.sendFrom = pathOf(c)[0].id;
  const { conversations, skipped } = importText(exportText([c]));
  assert.deepEqual(skipped, []);
  const [back] = conversations;
  assert.equal(back.id, c.id);
  assert.deepEqual(texts(pathOf(back)), texts(pathOf(c)));
  assert.equal(Object.keys(back.messages).length, 4);
  assert.deepEqual(back.settings, c.settings);
  assert.equal(back.messages[back.sendFrom].text, "a");
});

test("an answer under way is exported without the way to take it up", () => {
  const c = talk("a", "b");
  Object.assign(pathOf(c)[1], { state: "streaming", stream: { id: "secret", offset: 1 }, progress: {} });
  const text = exportText([c]);
  assert.ok(!text.includes("secret"));
  assert.equal(pathOf(importText(text).conversations[0])[1].state, "stopped");
});

test("a file that is none of ours is refused with a reason", () => {
  for (const [text, reason] of [
    ["", /not JSON/],
    ["[]", /no conversations/],
    ["null", /no conversations/],
    ['{"format":"other"}', /no conversations/],
    ['{"format":"larql-conversations","version":9}', /version 9/],
    ['{"format":"larql-conversations","version":1}', /no list/],
  ])
    assert.throws(() => importText(text), reason);
});

test("what is wrong in a file is left out, and nothing of it gets further", () => {
  const file = (conversations) => JSON.stringify({ format: "larql-conversations", version: 1, conversations });
  const good = {
    id: "__proto__",
    title: 5,
    created: "x",
    updated: 1e300,
    settings: { temperature: 99, system: "s", evil: 1, __proto__: { x: 1 } },
    chosen: { __proto__: "m1", root: "m1", m1: "nobody" },
    messages: [
      { id: "__proto__", parent: null, role: "user", text: "hi", created: 1, html: "<b>" },
      {
        id: "m1",
        parent: "__proto__",
        role: "assistant",
        text: "yo",
        created: 2,
        thoughts: 7,
        state: "streaming",
        stats: { tokens: 3, "<b>": 1, x: "y" },
        stream: { id: "../../x" },
        error: { message: 4 },
      },
      { id: "loop1", parent: "loop2", role: "user", text: "x", created: 3 },
      { id: "loop2", parent: "loop1", role: "user", text: "x", created: 4 },
      { id: "orphan", parent: "nobody", role: "user", text: "x", created: 5 },
    ],
  };
  const { conversations, skipped } = importText(
    file([
      null,
      5,
      { messages: 1 },
      { messages: [{ id: "a", role: "system", text: "", parent: null }] },
      { messages: [{ id: "a", role: "user", parent: null }] },
      good,
    ]),
  );
  assert.equal(skipped.length, 5);
  assert.match(skipped[3], /conversation 4: .*unknown role/);
  const [c] = conversations;
  assert.match(c.id, /^[0-9a-f]{32}$/);
  assert.equal(c.title, "hi");
  assert.deepEqual([c.created, c.updated], [0, 0]);
  assert.deepEqual(c.settings, { system: "s" });
  const [question, answer] = pathOf(c);
  assert.deepEqual(Object.keys(c.messages).length, 2);
  assert.deepEqual(Object.keys(question).sort(), ["created", "id", "parent", "role", "text"]);
  assert.deepEqual([answer.thoughts, answer.state, answer.stream, answer.error], ["", "stopped", undefined, undefined]);
  assert.deepEqual(answer.stats, { tokens: 3 });
  assert.equal({}.x, undefined);
});

test("settings become fields of the API, and only settings do", () => {
  assert.deepEqual(
    requestFields({ system: "s", thinking: "off", thinking_budget: 5, temperature: 0, stop: ["x"], evil: 1, top_p: 2 }),
    { enable_thinking: false, temperature: 0, stop: ["x"] },
  );
  assert.deepEqual(requestFields({ thinking: "on", thinking_budget: 5 }), {
    enable_thinking: true,
    thinking_budget: 5,
  });
  assert.deepEqual(requestFields({}), {});
  assert.deepEqual(cleanSettings(null), {});
});

test("the store of the browser gives back what was put in, last touched first", async () => {
  const db = new MemoryDatabase();
  const [a, b] = [talk("a"), talk("b")];
  a.updated = 5;
  b.updated = 6;
  await db.put(a);
  await db.put(b);
  assert.deepEqual(
    (await db.heads()).map((h) => h.title),
    ["b", "a"],
  );
  (await db.get(a.id)).title = "changed";
  assert.equal((await db.get(a.id)).title, "a");
  await db.remove(a.id);
  assert.equal(await db.get(a.id), undefined);
});

test("a key is kept for the tab, and on the device only if that is wanted", () => {
  const store = () => {
    const all = new Map();
    return {
      all,
      getItem: (k) => all.get(k) ?? null,
      setItem: (k, v) => all.set(k, v),
      removeItem: (k) => all.delete(k),
    };
  };
  const [local, session] = [store(), store()];
  new Preferences(local, session).setKey("k1", false);
  assert.equal(local.all.size, 0);
  assert.equal(new Preferences(local, session).key, "k1");
  assert.equal(new Preferences(local, store()).key, "");
  new Preferences(local, session).setKey("k2", true);
  assert.equal(new Preferences(local, store()).key, "k2");
  new Preferences(local, session).setKey("k3", false);
  assert.equal(new Preferences(local, store()).key, "");
});

test("a browser that refuses to keep anything still remembers while the page lives", () => {
  const refusing = {
    getItem() {
      throw new Error("no");
    },
    setItem() {
      throw new Error("no");
    },
    removeItem() {
      throw new Error("no");
    },
  };
  const p = new Preferences(refusing, undefined);
  p.set("theme", "dark");
  p.setKey("k", true);
  assert.equal(p.get("theme"), "dark");
  assert.equal(p.key, "k");
  assert.deepEqual(p.settings, {});
});

// Conversations in this browser: IndexedDB, or memory alone where the browser keeps nothing (then isKept is false).

import { headOf, mergeSaved } from "./conversation.js";

const NAME = "larql";
const VERSION = 1;

function asPromise(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function finished(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = transaction.onabort = () => reject(transaction.error ?? new Error("not saved"));
  });
}

export async function openDatabase() {
  try {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("conversations", { keyPath: "id" });
      request.result.createObjectStore("heads", { keyPath: "id" });
    };
    const db = await asPromise(request);
    db.onversionchange = () => db.close(); // a later version of the page wants to change it
    return new Database(db);
  } catch {
    return new MemoryDatabase();
  }
}

class Database {
  isKept = true;
  #db;

  constructor(db) {
    this.#db = db;
  }

  /** Titles and times of all, last touched first. */
  async heads() {
    const all = await asPromise(this.#db.transaction("heads").objectStore("heads").getAll());
    return all.sort((a, b) => b.updated - a.updated);
  }

  async get(id) {
    return asPromise(this.#db.transaction("conversations").objectStore("conversations").get(id));
  }

  async all() {
    return asPromise(this.#db.transaction("conversations").objectStore("conversations").getAll());
  }

  /** Together with what another tab has saved of it. Takes the object. */
  async put(conversation) {
    const t = this.#db.transaction(["conversations", "heads"], "readwrite");
    const all = t.objectStore("conversations");
    const saved = all.get(conversation.id);
    saved.onsuccess = () => {
      mergeSaved(conversation, saved.result);
      all.put(conversation);
      t.objectStore("heads").put(headOf(conversation));
    };
    return finished(t);
  }

  async remove(id) {
    const t = this.#db.transaction(["conversations", "heads"], "readwrite");
    t.objectStore("conversations").delete(id);
    t.objectStore("heads").delete(id);
    return finished(t);
  }

  async clear() {
    const t = this.#db.transaction(["conversations", "heads"], "readwrite");
    t.objectStore("conversations").clear();
    t.objectStore("heads").clear();
    return finished(t);
  }
}

export class MemoryDatabase {
  isKept = false;
  #all = new Map();

  async heads() {
    return [...this.#all.values()].map(headOf).sort((a, b) => b.updated - a.updated);
  }
  async get(id) {
    return this.#all.has(id) ? structuredClone(this.#all.get(id)) : undefined;
  }
  async all() {
    return [...this.#all.values()].map((c) => structuredClone(c));
  }
  async put(conversation) {
    this.#all.set(conversation.id, mergeSaved(conversation, this.#all.get(conversation.id)));
  }
  async remove(id) {
    this.#all.delete(id);
  }
  async clear() {
    this.#all.clear();
  }
}

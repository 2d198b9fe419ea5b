// What this browser remembers beside conversations: theme, panel, settings of new conversations, and the key.
// A browser may refuse to keep anything: then it is remembered as long as the page lives.

import { cleanSettings } from "./settings.js";

const PREFIX = "larql.";

export class Preferences {
  #memory = new Map();
  #local;
  #session;

  /** `local` and `session` are the browser's stores; either may be missing or refuse. */
  constructor(local, session) {
    this.#local = local;
    this.#session = session;
  }

  #read(store, key) {
    try {
      return store?.getItem(PREFIX + key) ?? null;
    } catch {
      return null;
    }
  }

  #write(store, key, value) {
    try {
      if (value === null) store?.removeItem(PREFIX + key);
      else store?.setItem(PREFIX + key, value);
    } catch {
      // Remembered in memory alone.
    }
  }

  get(key) {
    return this.#memory.get(key) ?? this.#read(this.#local, key);
  }

  set(key, value) {
    this.#memory.set(key, value);
    this.#write(this.#local, key, value);
  }

  /** Settings that new conversations begin with. */
  get settings() {
    try {
      return cleanSettings(JSON.parse(this.get("settings") ?? "{}"));
    } catch {
      return {};
    }
  }

  set settings(settings) {
    this.set("settings", JSON.stringify(cleanSettings(settings)));
  }

  /** The API key: kept for this tab, or on this device if the person wants that. */
  get key() {
    return this.#memory.get("key") ?? this.#read(this.#session, "key") ?? this.#read(this.#local, "key") ?? "";
  }

  get isKeyKept() {
    return this.#read(this.#local, "key") !== null;
  }

  setKey(key, keep) {
    this.#memory.set("key", key);
    this.#write(this.#session, "key", key === "" ? null : key);
    this.#write(this.#local, "key", keep && key !== "" ? key : null);
  }
}

// The server that this page came from: requests with the key where one is needed.
// Paths are relative to the page, so that it also works behind a proxy, below a path of its own.

import { errorFrom } from "./stream/errors.js";

const QUICK_MS = 5000;

export class Server extends EventTarget {
  #preferences;

  constructor(preferences) {
    super();
    this.#preferences = preferences;
  }

  /** The response, whatever its status. Throws where no server is reached. A key that is refused is told as an event. */
  request = async (path, { method = "GET", body, signal } = {}) => {
    const headers = {};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const { key } = this.#preferences;
    if (key !== "") headers.Authorization = `Bearer ${key}`;
    const response = await fetch(path, {
      method,
      headers,
      signal,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
    });
    if (response.status === 401) this.dispatchEvent(new CustomEvent("key", { detail: { hadKey: key !== "" } }));
    return response;
  };

  /** A JSON value that is there at once. Throws ApiError, or what fetch throws. */
  async get(path) {
    const response = await this.request(path, { signal: AbortSignal.timeout(QUICK_MS) });
    if (!response.ok) throw await errorFrom(response);
    return response.json();
  }

  /** Ends an answer. It does not matter if it has ended. */
  stop(answer) {
    return this.request(`page/answers/${answer}/stop`, {
      method: "POST",
      body: {},
      signal: AbortSignal.timeout(QUICK_MS),
    }).catch(() => {});
  }
}

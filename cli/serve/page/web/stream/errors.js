// What the server says when it does not do what it was asked.

import { errorOf } from "./events.js";

export class ApiError extends Error {
  /** `told` is what errorOf makes of the server's words. */
  constructor(status, told, retryAfter = 0) {
    super(told.message);
    this.status = status;
    this.told = told;
    this.retryAfter = retryAfter; // seconds; 0: not said
  }
}

/** From a response whose status is no success. */
export async function errorFrom(response) {
  let body = null;
  try {
    body = JSON.parse(await response.text());
  } catch {
    // A proxy's page, or nothing at all.
  }
  const said = typeof body?.error === "string" ? { message: body.error } : body?.error;
  const told = errorOf(said ?? { message: `the server answered ${response.status} ${response.statusText}`.trim() });
  const after = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  return new ApiError(response.status, told, after > 0 ? after : 0);
}

// Reads an answer from the server to its end, through lost connections: the server goes on with an answer for a
// minute after its reader has left, and gives out what has come since.

import { LineReader } from "./lines.js";
import { isLast, parseEvent } from "./events.js";
import { ApiError, errorFrom } from "./errors.js";

export const KEPT_MS = 60_000; // as long as the server keeps an answer that nobody reads
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 3000;

/** An answer that cannot be taken up any more: too late, or another server is there. */
export class AnswerGone extends Error {}

/**
 * Reads answer `id` from `offset` on, which may be 0 for one that has to be asked for first with `body`.
 *
 *   request(path, {method, body, signal})   → Response; throws where no server is reached
 *   onEvent(event, end)     `end`: where to go on behind this event
 *   onState("connected" | "reconnecting")
 *
 * Resolves when the last event has been delivered. Rejects with ApiError if the server refuses, with AnswerGone, or
 * with the signal's reason.
 */
export async function readAnswer({ request, id, body, offset = 0, onEvent, onState, signal, clock = systemClock }) {
  let at = offset;
  let lastSeen = clock.now();
  let attempts = 0;
  for (;;) {
    try {
      const response = await open(request, id, at, body, signal);
      lastSeen = clock.now();
      onState("connected");
      const lines = new LineReader(at);
      for await (const bytes of chunksOf(response, signal)) {
        lastSeen = clock.now();
        attempts = 0;
        for (const { text, end } of lines.push(bytes)) {
          at = end;
          const event = parseEvent(text);
          if (event === null) continue;
          onEvent(event, end);
          if (isLast(event)) return;
        }
      }
    } catch (error) {
      if (signal.aborted || error instanceof ApiError || error instanceof AnswerGone)
        throw signal.aborted ? signal.reason : error;
      // Anything else is a connection that broke, or a server that went away.
    }
    if (clock.now() - lastSeen > KEPT_MS) throw new AnswerGone("the connection to the server was lost");
    onState("reconnecting");
    await clock.sleep(Math.min(FIRST_PAUSE_MS * 2 ** attempts++, LONGEST_PAUSE_MS), signal);
  }
}

// A request that may not have arrived is made again: the server knows the answer by its id.
async function open(request, id, at, body, signal) {
  const response =
    at === 0 && body !== undefined
      ? await request(`page/answers/${id}`, { method: "POST", body, signal })
      : await request(`page/answers/${id}/${at}`, { method: "GET", signal });
  if (response.ok) return response;
  const error = await errorFrom(response);
  throw response.status === 404 || response.status === 410 ? new AnswerGone(error.message) : error;
}

async function* chunksOf(response, signal) {
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    // Whoever stops reading closes the connection, so that the server knows.
    if (!signal.aborted) reader.cancel().catch(() => {});
  }
}

const systemClock = {
  now: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        signal.removeEventListener("abort", end);
        resolve();
      }, ms);
      const end = () => {
        clearTimeout(timer);
        reject(signal.reason);
      };
      signal.addEventListener("abort", end, { once: true });
    }),
};

// The events of an answer, as the server's stream has them, one JSON value to a line (docs/page.md, "Answers"):
//
//   {"progress": {"read", "cached", "total"}}    {"thought": TEXT}    {"text": TEXT}
//   {"end": {"reason", "usage", "timings", "seed"}}    {"error": {"message", "type", …}}
//
// An empty line is a sign of life.

/** An event; null for a sign of life and for what a later server may have to say. */
export function parseEvent(line) {
  if (line.trim() === "") return null;
  let value;
  try {
    value = JSON.parse(line);
  } catch {
    throw new Error("the server sent something that is no answer");
  }
  for (const kind of ["text", "thought"]) if (typeof value?.[kind] === "string") return { kind, text: value[kind] };
  for (const kind of ["progress", "end", "error"])
    if (typeof value?.[kind] === "object" && value[kind] !== null) return { kind, ...value[kind] };
  return null;
}

/** Whether nothing comes behind it. */
export function isLast(event) {
  return event.kind === "end" || event.kind === "error";
}

/** Puts into a message what an event says. `now` is the time in milliseconds. */
export function applyEvent(message, event, now) {
  switch (event.kind) {
    case "progress":
      message.progress = { read: number(event.read), cached: number(event.cached), total: number(event.total) };
      break;
    case "thought":
      message.thoughts += event.text;
      message.thinkingSince ??= now;
      delete message.progress;
      break;
    case "text":
      message.text += event.text;
      if (message.thinkingSince !== undefined) {
        message.thinkingMs = (message.thinkingMs ?? 0) + (now - message.thinkingSince);
        delete message.thinkingSince;
      }
      delete message.progress;
      break;
    case "end":
      finish(message, now);
      message.state = "done";
      message.reason = typeof event.reason === "string" ? event.reason : "stop";
      message.stats = statsOf(event);
      break;
    case "error":
      finish(message, now);
      message.state = "failed";
      message.error = errorOf(event);
      break;
  }
}

/** The answer has ended, however it did. */
export function finish(message, now) {
  if (message.thinkingSince !== undefined)
    message.thinkingMs = (message.thinkingMs ?? 0) + (now - message.thinkingSince);
  delete message.thinkingSince;
  delete message.progress;
  delete message.stream;
}

/** What is kept of an error that the server tells. */
export function errorOf(from) {
  const out = { message: typeof from.message === "string" ? from.message : "the answer failed" };
  if (typeof from.type === "string") out.type = from.type;
  // A prompt that is too long for the context.
  if (from.n_prompt_tokens > 0 && from.n_ctx > 0) {
    out.promptTokens = from.n_prompt_tokens;
    out.contextTokens = from.n_ctx;
  }
  return out;
}

function statsOf(end) {
  const usage = end.usage ?? {};
  const t = end.timings ?? {};
  const stats = {
    promptTokens: number(usage.prompt_tokens),
    cachedTokens: number(usage.prompt_tokens_details?.cached_tokens),
    tokens: number(usage.completion_tokens),
    thoughtTokens: number(usage.completion_tokens_details?.reasoning_tokens),
    queuedMs: number(t.queued_ms),
    promptMs: number(t.prompt_ms),
    answerMs: number(t.predicted_ms),
    nodes: number(t.nodes),
    roundTrips: number(t.round_trips),
    sentBytes: number(t.sent_bytes),
    receivedBytes: number(t.received_bytes),
  };
  if (Number.isFinite(end.seed)) stats.seed = end.seed;
  if (Number.isFinite(t.draft_n) && t.draft_n > 0) {
    stats.drafted = number(t.draft_n);
    stats.accepted = number(t.draft_n_accepted);
  }
  return stats;
}

function number(x) {
  return Number.isFinite(x) && x >= 0 ? x : 0;
}

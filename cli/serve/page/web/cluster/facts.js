// Counters, and what has happened, in words.

import { formatBytes, formatCount, formatDuration, formatRange, plural, threeDigits } from "../text/format.js";
import { h, visible } from "../view/dom.js";

function percent(part, all) {
  return all > 0 ? `${threeDigits((100 * part) / all)} %` : "–";
}

/** [name, value, what it means] of each counter. */
export function counterRows({ cache, batching, calls, speculation, tokens, answers }) {
  const rows = [
    [
      "Prompts found in the cache",
      `${percent(cache.hits, cache.lookups)} of ${formatCount(cache.lookups)}`,
      "Prompts of which a beginning was known",
    ],
    [
      "Prompt tokens from the cache",
      percent(tokens.cached, tokens.prompt),
      "Tokens that did not have to be read again",
    ],
    [
      "Cached sequences",
      `${formatCount(cache.sequences)}, ${formatBytes(cache.bytes)}`,
      "Kept for the next turn of their conversations",
    ],
    [
      "Rows in a pass",
      batching.passes > 0 ? threeDigits(batching.rows / batching.passes) : "–",
      "Tokens that are computed together, on average",
    ],
    ["Answers since the start", formatCount(answers.requests), "Requests that were admitted"],
  ];
  if (calls.calls > 0) {
    rows.push(["Calls to nodes", formatCount(calls.calls), "A call carries the rows of a layer to a node"]);
    rows.push([
      "Made again or twice",
      `${formatCount(calls.repeated)} / ${formatCount(calls.hedged)}`,
      "After a failure or a deadline / because the first was slow",
    ]);
    rows.push([
      "Sent and received",
      `${formatBytes(calls.sent_bytes)} / ${formatBytes(calls.received_bytes)}`,
      "Between the server and its nodes",
    ]);
  }
  rows.push([
    "Drafts accepted",
    speculation
      ? `${percent(speculation.accepted, speculation.drafted)} of ${formatCount(speculation.drafted)}`
      : "off",
    "Speculation: tokens that were guessed and turned out right",
  ]);
  return rows;
}

const experts = (ranges) =>
  ranges.map((r) => `experts ${formatRange(r.experts)} of layers ${formatRange(r.layers)}`).join(" and ");

/** What happened, in sentences. */
export function eventText(e) {
  switch (e.kind) {
    case "joined":
      return [`${e.node} is there${e.experts ? `: ${experts([e])}` : ""}`];
    case "lost": {
      const out = [`${e.node} is away${e.why ? `: ${e.why}` : ""}`];
      for (const t of e.took_over ?? []) out.push(`${t.node} answers for ${experts([t])}`);
      if (e.without_owner > 0) out.push(`${plural(e.without_owner, "expert")} without an owner until it comes back`);
      return out;
    }
    default:
      return [`${e.node}: ${e.why || e.kind}`];
  }
}

export function eventItem(e) {
  const [first, ...rest] = eventText(e);
  return h(
    "li",
    { class: `event event-${e.kind}` },
    h("span", { class: "event-time" }, `${formatDuration(e.ago_ms).replace(/\.\d s$/, " s")} ago`),
    h(
      "span",
      {},
      visible(first),
      rest.length > 0
        ? h(
            "ul",
            {},
            rest.map((r) => h("li", {}, visible(r))),
          )
        : null,
    ),
  );
}

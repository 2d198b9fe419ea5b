// What a person can choose for a conversation: names and bounds as the server's API has them. A setting that is
// absent is the model's own.

export const SETTINGS = [
  {
    key: "system",
    kind: "text",
    label: "System prompt",
    most: 100_000,
    help: "Who the model is and how it should answer. Sent before every message.",
  },
  {
    key: "thinking",
    kind: "choice",
    label: "Thinking",
    choices: [
      ["", "Model's default"],
      ["on", "On"],
      ["off", "Off"],
    ],
    help: "Whether the model thinks before it answers.",
  },
  {
    key: "thinking_budget",
    kind: "integer",
    label: "Thinking budget",
    least: 1,
    most: 1_000_000,
    unit: "tokens",
    help: "After so many tokens of thoughts the answer has to begin.",
  },
  {
    key: "max_tokens",
    kind: "integer",
    label: "Longest answer",
    least: 1,
    most: 1_000_000,
    unit: "tokens",
    help: "Thoughts included. An answer that is cut can be continued.",
  },
  {
    key: "temperature",
    kind: "number",
    label: "Temperature",
    least: 0,
    most: 5,
    step: 0.05,
    help: "0 takes the most likely token every time; higher is more varied.",
  },
  {
    key: "top_k",
    kind: "integer",
    label: "Top-k",
    least: 0,
    most: 100_000,
    help: "Choose among so many likely tokens; 0: among all.",
  },
  {
    key: "top_p",
    kind: "number",
    label: "Top-p",
    least: 0,
    most: 1,
    step: 0.01,
    help: "Choose among the likely tokens that together have this probability.",
  },
  {
    key: "min_p",
    kind: "number",
    label: "Min-p",
    least: 0,
    most: 1,
    step: 0.01,
    help: "Leave out tokens that are less likely than this share of the likeliest.",
  },
  {
    key: "repetition_penalty",
    kind: "number",
    label: "Repetition penalty",
    least: 0.01,
    most: 10,
    step: 0.01,
    help: "Above 1: tokens that came before become less likely.",
  },
  {
    key: "presence_penalty",
    kind: "number",
    label: "Presence penalty",
    least: -2,
    most: 2,
    step: 0.05,
    help: "Above 0: tokens that came at all become less likely.",
  },
  {
    key: "frequency_penalty",
    kind: "number",
    label: "Frequency penalty",
    least: -2,
    most: 2,
    step: 0.05,
    help: "Above 0: tokens become less likely each time they come.",
  },
  {
    key: "seed",
    kind: "integer",
    label: "Seed",
    least: 0,
    most: Number.MAX_SAFE_INTEGER,
    help: "The same seed and conversation give the same answer. Absent: a new one each time.",
  },
  {
    key: "stop",
    kind: "lines",
    label: "Stop texts",
    most: 64,
    help: "One to a line. The answer ends before the first of them.",
  },
];

/** Why a value is none for a setting; empty: it is one. */
export function problemOf(setting, value) {
  switch (setting.kind) {
    case "text":
      return typeof value !== "string"
        ? "is no text"
        : value.length > setting.most
          ? `is longer than ${setting.most} characters`
          : "";
    case "choice":
      return setting.choices.some(([v]) => v === value) ? "" : "is none of the choices";
    case "lines":
      if (!Array.isArray(value) || value.some((v) => typeof v !== "string" || v === "" || v.length > 1000))
        return "is no list of short texts";
      return value.length > setting.most ? `has more than ${setting.most} lines` : "";
    default:
      if (typeof value !== "number" || !Number.isFinite(value)) return "is no number";
      if (setting.kind === "integer" && !Number.isInteger(value)) return "is no whole number";
      return value < setting.least || value > setting.most ? `is not from ${setting.least} to ${setting.most}` : "";
  }
}

/** Of any value, the settings that are some: for what comes from a file or from an earlier version. */
export function cleanSettings(from) {
  const out = {};
  for (const s of SETTINGS) {
    const value = Object.hasOwn(from ?? {}, s.key) ? from[s.key] : undefined;
    const isEmpty = value === undefined || value === "" || (Array.isArray(value) && value.length === 0);
    if (!isEmpty && problemOf(s, value) === "") out[s.key] = value;
  }
  return out;
}

/** The fields of a request that settings become; the system prompt is a message. */
export function requestFields(settings) {
  const { system: _, thinking, ...rest } = cleanSettings(settings);
  if (thinking === "on" || thinking === "off") rest.enable_thinking = thinking === "on";
  if (thinking === "off") delete rest.thinking_budget;
  return rest;
}

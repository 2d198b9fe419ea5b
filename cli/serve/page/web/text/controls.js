// Characters that a person cannot see, and that make text look like what it is not: escape sequences of terminals,
// and marks that turn the direction of writing around.

const ESCAPE_SEQUENCE =
  "\\u001b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\\u0007\\u001b]{0,2048}(?:\\u0007|\\u001b\\\\)|[@-Z\\\\-_])";
const HIDDEN =
  "[\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\u200b\\u202a-\\u202e\\u2060-\\u2069\\ufeff]";
const ANY = new RegExp(`${ESCAPE_SEQUENCE}|${HIDDEN}`, "g");

function nameOf(c) {
  const code = c.charCodeAt(0);
  if (c.length > 1) return "ESC";
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return "\u2421";
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** Parts of a text: strings that are shown as they are, and {hidden, name} for what has to be made visible. */
export function splitHidden(text) {
  const out = [];
  let from = 0;
  for (const m of text.matchAll(ANY)) {
    if (m.index > from) out.push(text.slice(from, m.index));
    out.push({ hidden: m[0], name: nameOf(m[0]) });
    from = m.index + m[0].length;
  }
  if (from < text.length || out.length === 0) out.push(text.slice(from));
  return out;
}

// Markdown inside a paragraph. The result is a list of texts and of
//
//   em strong del {children} · code {text} · math {text} · break {} · link {href, title, children}
//   image {href, alt}
//
// Links lead to http, https and mailto alone, and to absolute addresses alone: a model must not make a person's click
// do something on this server. What else looks like a link stays text.
// Time is linear in the text, as in CommonMark's own reference: runs of backticks are looked up, brackets and marks of
// emphasis are on stacks, everything else is bounded.

import { depthOf, withEmphasis } from "./emphasis.js";
import { ENTITY, decodeEntity } from "./entities.js";

const MOST_URL = 2048;
const MOST_MATH = 1000;
const MOST_OPEN_BRACKETS = 32;

const BARE_URL = /https?:\/\/[^\s<>"`\u0000-\u001f]{1,2048}/iy;
const ANGLE_URL = /<((?:https?:\/\/|mailto:)[^\s<>\u0000-\u001f]{1,2048})>/iy;
const LINE_BREAK = /<br[ \t]*\/?>/iy;
const ESCAPABLE = /[!-/:-@[-`{-~]/;
const PUNCTUATION = /[\p{P}\p{S}]/u;
const SPACE = /\s/;
// "**Note:**text" is bold in what models write, if not in CommonMark; in languages without spaces it is common.
const CLOSING = /[.,:;!?)\]}"'”’»…。，、：；！？）】」』》]/;
// Everything that can mean something; what is between is text.
const PLAIN = /[^\\`*_~[\]!<&$\nhH]+/y;

/** The address, as a link of ours may have it; null: not one. */
export function safeHref(text) {
  if (text.length === 0 || text.length > MOST_URL) return null;
  let url;
  try {
    url = new URL(text);
  } catch {
    return null;
  }
  return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
}

const unescape = (text) => text.replace(/\\([!-/:-@[-`{-~])/g, "$1");

/** Where the next run of as many backticks begins, by the position of each run. */
function backtickRuns(text) {
  const lengths = new Map();
  const next = new Map();
  const runs = [...text.matchAll(/`+/g)];
  for (let i = runs.length - 1; i >= 0; --i) {
    const { 0: marks, index } = runs[i];
    next.set(index, { length: marks.length, close: lengths.get(marks.length) ?? -1 });
    lengths.set(marks.length, index);
  }
  return next;
}

class Inline {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.out = []; // texts, nodes, and marks {mark, count, canOpen, canClose}
    this.brackets = []; // {index into out, image}
    this.backticks = null;
    this.depths = new WeakMap(); // of nodes that hold others
  }

  parse() {
    const { text } = this;
    while (this.at < text.length) {
      PLAIN.lastIndex = this.at;
      const plain = PLAIN.exec(text);
      if (plain) {
        this.out.push(plain[0]);
        this.at = PLAIN.lastIndex;
        if (this.at >= text.length) break;
      }
      this.special(text[this.at]);
    }
    return withEmphasis(this.out, this.depths);
  }

  literal(count = 1) {
    this.out.push(this.text.slice(this.at, this.at + count));
    this.at += count;
  }

  special(c) {
    switch (c) {
      case "\\":
        return this.backslash();
      case "`":
        return this.code();
      case "*":
      case "_":
      case "~":
        return this.mark(c);
      case "[":
        return this.open(1);
      case "]":
        return this.close();
      case "!":
        return this.text[this.at + 1] === "[" ? this.open(2) : this.literal();
      case "<":
        return this.angle();
      case "&":
        return this.entity();
      case "$":
        return this.dollar();
      case "\n":
        return this.newline();
      default:
        return this.bareUrl();
    }
  }

  backslash() {
    const next = this.text[this.at + 1];
    if (next === "\n") {
      this.out.push({ type: "break" });
      this.at += 2;
    } else if (next === "(" || next === "[") {
      const inside = this.text.slice(this.at + 2, this.at + 2 + MOST_MATH);
      const close = inside.indexOf(next === "(" ? "\\)" : "\\]");
      if (close < 0) {
        this.out.push(next);
        this.at += 2;
        return;
      }
      this.out.push({ type: "math", text: inside.slice(0, close).trim() });
      this.at += close + 4;
    } else if (next !== undefined && ESCAPABLE.test(next)) {
      this.out.push(next);
      this.at += 2;
    } else this.literal();
  }

  code() {
    this.backticks ??= backtickRuns(this.text);
    const run = this.backticks.get(this.at);
    if (!run) return this.literal(); // behind an escaped one
    if (run.close < 0) return this.literal(run.length);
    let inside = this.text.slice(this.at + run.length, run.close).replaceAll("\n", " ");
    if (inside.startsWith(" ") && inside.endsWith(" ") && inside.trim() !== "") inside = inside.slice(1, -1);
    this.out.push({ type: "code", text: inside });
    this.at = run.close + run.length;
  }

  mark(c) {
    let end = this.at;
    while (this.text[end] === c) ++end;
    const count = end - this.at;
    // A single ~ means "about" more often than anything else.
    if (c === "~" && count !== 2) return this.literal(count);
    const before = this.at === 0 ? " " : charBefore(this.text, this.at);
    const after = end >= this.text.length ? " " : String.fromCodePoint(this.text.codePointAt(end));
    const leftFlanking =
      !SPACE.test(after) && (!PUNCTUATION.test(after) || SPACE.test(before) || PUNCTUATION.test(before));
    const rightFlanking =
      !SPACE.test(before) && (!PUNCTUATION.test(before) || SPACE.test(after) || PUNCTUATION.test(after));
    const inWord = c === "_"; // snake_case is no emphasis
    this.out.push({
      mark: c,
      count,
      canOpen: leftFlanking && (!inWord || !rightFlanking || PUNCTUATION.test(before)),
      canClose:
        (rightFlanking && (!inWord || !leftFlanking || PUNCTUATION.test(after))) ||
        (c === "*" && count >= 2 && CLOSING.test(before)),
    });
    this.at = end;
  }

  open(length) {
    this.brackets.push({ index: this.out.length, image: length === 2 });
    if (this.brackets.length > MOST_OPEN_BRACKETS) this.brackets.shift();
    this.literal(length);
  }

  close() {
    const bracket = this.brackets.pop();
    const target = bracket ? this.destination(this.at + 1) : null;
    if (!target) return this.literal();
    const inside = this.out.splice(bracket.index).slice(1);
    const children = withEmphasis(inside, this.depths);
    const href = safeHref(target.href);
    this.at = target.end;
    if (bracket.image) {
      this.out.push(href ? { type: "image", href, alt: plainText(children) } : plainText(children));
      return;
    }
    if (href) {
      const link = { type: "link", href, title: target.title, children };
      this.depths.set(link, 1 + depthOf(children, this.depths));
      this.out.push(link);
    } else this.out.push(...children);
    this.brackets = this.brackets.filter((b) => b.image); // links do not hold links
  }

  /** "(address "title")" at a position. */
  destination(from) {
    const { text } = this;
    if (text[from] !== "(") return null;
    let i = from + 1;
    const skip = () => {
      while (i < text.length && SPACE.test(text[i])) ++i;
    };
    skip();
    const begin = i;
    let href;
    if (text[i] === "<") {
      const close = text.slice(i, i + MOST_URL).search(/[>\n]/);
      if (close < 0 || text[i + close] !== ">") return null;
      href = text.slice(i + 1, i + close);
      i += close + 1;
    } else {
      let open = 0;
      for (; i < text.length && i - begin <= MOST_URL; ++i) {
        const c = text[i];
        if (c === "\\" && i + 1 < text.length) ++i;
        else if (c === "(") {
          if (++open > 32) return null;
        } else if (c === ")") {
          if (open-- === 0) break;
        } else if (SPACE.test(c)) break;
      }
      if (i - begin > MOST_URL) return null;
      href = text.slice(begin, i);
    }
    skip();
    let title = "";
    const quote = text[i];
    if (quote === '"' || quote === "'") {
      const close = text.slice(i + 1, i + MOST_URL).indexOf(quote);
      if (close < 0) return null;
      title = unescape(text.slice(i + 1, i + 1 + close));
      i += close + 2;
      skip();
    }
    return text[i] === ")" ? { href: unescape(href), title, end: i + 1 } : null;
  }

  angle() {
    ANGLE_URL.lastIndex = this.at;
    const url = ANGLE_URL.exec(this.text);
    const href = url ? safeHref(url[1]) : null;
    if (href) {
      this.out.push({ type: "link", href, title: "", children: [url[1].replace(/^mailto:/i, "")] });
      this.at = ANGLE_URL.lastIndex;
      return;
    }
    LINE_BREAK.lastIndex = this.at;
    if (!LINE_BREAK.test(this.text)) return this.literal();
    this.out.push({ type: "break" });
    this.at = LINE_BREAK.lastIndex;
  }

  entity() {
    ENTITY.lastIndex = this.at;
    const m = ENTITY.exec(this.text);
    const decoded = m ? decodeEntity(m) : null;
    if (decoded === null) return this.literal();
    this.out.push(decoded);
    this.at = ENTITY.lastIndex;
  }

  // "$5 and $6" is no formula: the next mark must stand behind something, and before no digit.
  dollar() {
    const { text } = this;
    const length = text[this.at + 1] === "$" ? 2 : 1;
    const from = this.at + length;
    if (SPACE.test(text[from] ?? " ")) return this.literal(length);
    const inside = text.slice(from, from + MOST_MATH);
    const close = inside.indexOf("$");
    const isOne =
      close > 0 &&
      !SPACE.test(inside[close - 1]) &&
      inside[close - 1] !== "\\" &&
      text.startsWith("$".repeat(length), from + close) &&
      !/\d/.test(text[from + close + length] ?? "");
    if (!isOne) return this.literal(length);
    this.out.push({ type: "math", text: inside.slice(0, close) });
    this.at = from + close + length;
  }

  newline() {
    const before = this.out[this.out.length - 1];
    if (typeof before === "string" && before.endsWith("  ")) {
      this.out[this.out.length - 1] = before.trimEnd();
      this.out.push({ type: "break" });
    } else this.out.push("\n");
    ++this.at;
  }

  bareUrl() {
    const isWord = this.at > 0 && /[\p{L}\p{N}]/u.test(charBefore(this.text, this.at));
    BARE_URL.lastIndex = this.at;
    const found = isWord || this.brackets.some((b) => !b.image) ? null : BARE_URL.exec(this.text);
    if (!found) return this.literal();
    const url = withoutTrailing(found[0]);
    const href = safeHref(url);
    if (!href) return this.literal();
    this.out.push({ type: "link", href, title: "", children: [url] });
    this.at += url.length;
  }
}

function charBefore(text, at) {
  const low = text.charCodeAt(at - 1);
  return low >= 0xdc00 && low < 0xe000 && at > 1 ? text.slice(at - 2, at) : text[at - 1];
}

/** Without what belongs to the sentence around the address. */
function withoutTrailing(url) {
  let end = url.length;
  let balance = 0;
  for (const c of url) balance += c === "(" ? 1 : c === ")" ? -1 : 0;
  for (; end > 0; --end) {
    const c = url[end - 1];
    if (c === ")" && balance < 0) ++balance;
    else if (!/[.,;:!?'"*_~\]]/.test(c)) break;
  }
  return url.slice(0, end);
}

export function parseInline(text) {
  return new Inline(text).parse();
}

/** What is read aloud of it, or copied. */
export function plainText(nodes) {
  return nodes
    .map((n) =>
      typeof n === "string" ? n : n.type === "break" ? "\n" : (n.text ?? n.alt ?? plainText(n.children ?? [])),
    )
    .join("");
}

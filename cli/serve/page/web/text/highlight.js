// Splits code into parts with a kind each: comment, string, number, word, type, constant, function, key, meta, tag,
// added, removed. One reader for all languages, which knows of each what languages.js says; it aims at what helps the
// eye, not at a grammar. Time is linear: every pattern is tried at one place and stops at its first difference.

import { languageOf } from "./languages.js";

const MOST_HIGHLIGHTED = 60_000; // characters; longer code is shown plainly

const IDENTIFIER = /[\p{L}_][\p{L}\p{N}_]*/uy;
const DASHED = /-{0,2}[\p{L}_][\p{L}\p{N}_-]*/uy;
const NUMBER = /(?:0[xX][0-9a-fA-F_']+|0[bB][01_']+|\d[\d_']*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?)[a-zA-Z%]{0,4}/y;
const HEX_COLOR = /#[0-9a-fA-F]{3,8}\b/y;
const FLAG = /--?[A-Za-z][\w-]*/y;
const SPACES = /\s+/y;
const VARIABLE = /[$@]{1,2}(?:\{[^}\n]{0,100}\}|[\p{L}_][\p{L}\p{N}_]*|[\d?!#*@])/uy;
const KEY_REST = { ":": /[\w.-]{0,80}[ \t]{0,8}:/y, "=": /[\w.-]{0,80}[ \t]{0,8}=/y };
const LOOK_BACK = 160; // characters, for what stands before a word in its line

class Reader {
  constructor(code, language) {
    this.code = code;
    this.language = language;
    this.at = 0;
    this.out = [];
  }

  push(kind, end) {
    const text = this.code.slice(this.at, end);
    const last = this.out[this.out.length - 1];
    if (last !== undefined && last[0] === kind) last[1] += text;
    else this.out.push([kind, text]);
    this.at = end;
  }

  match(pattern) {
    pattern.lastIndex = this.at;
    return pattern.test(this.code) ? pattern.lastIndex : -1;
  }

  is(text) {
    return this.code.startsWith(text, this.at);
  }

  lineEnd() {
    const end = this.code.indexOf("\n", this.at);
    return end < 0 ? this.code.length : end;
  }

  /** Whether nothing but spaces is before this place in its line. */
  beginsLine() {
    return this.hasBefore(/[ \t]/);
  }

  hasBefore(allowed) {
    for (let i = this.at - 1; i >= 0 && this.code[i] !== "\n"; --i)
      if (this.at - i > LOOK_BACK || !allowed.test(this.code[i])) return false;
    return true;
  }

  read() {
    while (this.at < this.code.length) {
      const spaces = this.match(SPACES);
      if (spaces >= 0) this.push("", spaces);
      else
        this.comment() || this.special() || this.string() || this.number() || this.word() || this.push("", this.at + 1);
    }
    return this.out;
  }

  comment() {
    const { line = [], block = [] } = this.language;
    for (const [open, close] of block) {
      if (!this.is(open)) continue;
      const end = this.code.indexOf(close, this.at + open.length);
      this.push("comment", end < 0 ? this.code.length : end + close.length);
      return true;
    }
    for (const mark of line) {
      // In a shell, # begins a comment only behind a space.
      if (!this.is(mark) || (mark === "#" && this.at > 0 && !/\s/.test(this.code[this.at - 1]))) continue;
      this.push("comment", this.lineEnd());
      return true;
    }
    return false;
  }

  special() {
    const { language: l, code } = this;
    const c = code[this.at];
    if (l.directive === c && this.beginsLine()) return this.take("meta", /#[ \t]*\w+/y);
    if ((l.annotation || l.at) && c === "@") return this.take("meta", /@[\p{L}_][\p{L}\p{N}_.-]*/uy);
    if (l.section && c === "[" && this.beginsLine()) return this.take("tag", /\[[^\]\n]*\]+/y);
    if (l.hex && c === "#") return this.take("number", HEX_COLOR);
    if (l.sigil === c) return this.take("constant", VARIABLE);
    if (l.flags && c === "-" && /\s/.test(code[this.at - 1] ?? " ")) return this.take("key", FLAG);
    return false;
  }

  take(kind, pattern) {
    const end = this.match(pattern);
    if (end < 0) return false;
    this.push(kind, end);
    return true;
  }

  string() {
    const { triple = [], quotes = [] } = this.language;
    for (const mark of triple)
      if (this.is(mark)) {
        const end = this.code.indexOf(mark, this.at + mark.length);
        this.push("string", end < 0 ? this.code.length : end + mark.length);
        return true;
      }
    const quote = this.code[this.at];
    if (!quotes.includes(quote)) return false;
    let i = this.at + 1;
    for (; i < this.code.length && this.code[i] !== quote; ++i) {
      if (this.code[i] === "\\") ++i;
      else if (this.code[i] === "\n" && quote !== "`") break;
    }
    const end = Math.min(this.code.length, this.code[i] === quote ? i + 1 : i);
    this.push(this.isKey(end) ? "key" : "string", end);
    return true;
  }

  isKey(end) {
    return this.language.keys === true && /^[ \t]*:/.test(this.code.slice(end, end + 16));
  }

  number() {
    return /\d/.test(this.code[this.at]) && this.take("number", NUMBER);
  }

  word() {
    const { language: l } = this;
    const end = this.match(l.dashed ? DASHED : IDENTIFIER);
    if (end < 0) return false;
    const text = this.code.slice(this.at, end);
    this.push(this.kindOf(l.anyCase ? text.toLowerCase() : text, end), end);
    return true;
  }

  kindOf(text, end) {
    const { language: l, code } = this;
    if (l.bareKeys !== undefined && this.isBareKey(KEY_REST[l.bareKeys], end)) return "key";
    if (l.words?.has(text)) return "word";
    if (l.types?.has(text)) return "type";
    if (l.constants?.has(text)) return "constant";
    if (l.commands?.has(text)) return "function";
    if (code[end] === "(") return "function";
    return /^\p{Lu}[\p{L}\p{N}]*\p{Ll}/u.test(text) && !l.bareKeys ? "type" : "";
  }

  isBareKey(rest, end) {
    rest.lastIndex = end;
    return rest.test(this.code) && this.hasBefore(/[ \t{;.\w-]/);
  }
}

function readMarkup(code) {
  const out = [];
  const pattern =
    /<!--[^]*?(?:-->|$)|<\/?[A-Za-z][\w:-]*|\/?>|[\w:@.-]+|"[^"]*"|'[^']*'|&[#\w]{1,32};|[^<>&"'\w:@.-]+|[^]/g;
  let inTag = false;
  for (const [text] of code.matchAll(pattern)) {
    let kind = "";
    if (text.startsWith("<!--")) kind = "comment";
    else if (/^<\/?[A-Za-z]/.test(text)) [kind, inTag] = ["tag", true];
    else if (inTag && /^\/?>$/.test(text)) [kind, inTag] = ["tag", false];
    else if (inTag && /^["']./.test(text)) kind = "string";
    else if (inTag && /^[\w:@.-]+$/.test(text)) kind = "key";
    else if (text.length > 1 && text.startsWith("&")) kind = "constant";
    out.push([kind, text]);
  }
  return out;
}

function readDiff(code) {
  return code.split(/(?<=\n)/).map((line) => {
    const c = line[0];
    if (line.startsWith("@@") || line.startsWith("diff ") || line.startsWith("+++") || line.startsWith("---"))
      return ["meta", line];
    return [c === "+" ? "added" : c === "-" ? "removed" : "", line];
  });
}

/** [kind, text] pairs whose texts together are the code. An empty kind is plain text. */
export function highlight(code, name) {
  const language = languageOf(name);
  if (language === null || code.length > MOST_HIGHLIGHTED) return [["", code]];
  if (language.markup) return readMarkup(code);
  if (language.lines) return readDiff(code);
  return new Reader(code, language).read();
}

// Formulas as models write them: the part of TeX's language that is common in answers, as plain objects that have the
// shape of MathML. What is not known stays as it was written, so that nothing is lost.
//
//   {tag: "mi" | "mn" | "mo" | "mtext", text} · {tag: "mrow" | "mfrac" | "msup" | …, children, attributes}

import {
  IDENTIFIERS,
  OPERATORS,
  LARGE,
  FUNCTIONS,
  WITH_LIMITS,
  TEXTS,
  VARIANTS,
  ACCENTS,
  SPACES,
  IGNORED,
  FENCES,
} from "./math_symbols.js";

const MOST_NESTED = 24;
const BRACKETS = "()[]{}|‖⟨⟩⌈⌉⌊⌋";

const TOKEN = /\\([A-Za-z]+)\*?|\\(.)|(\d+(?:[.,]\d+)*)|(\s+)|([^])/gu;

const row = (children) => (children.length === 1 ? children[0] : { tag: "mrow", children });
const node = (tag, children, attributes) => (attributes ? { tag, children, attributes } : { tag, children });

class Reader {
  constructor(source) {
    this.tokens = [...source.matchAll(TOKEN)].map(([all, command, escaped, digits, space, c]) => ({
      all,
      command,
      escaped,
      digits,
      space,
      c,
    }));
    this.at = 0;
    this.stretches = false; // the next bracket: it stands behind \left or its like
  }

  /** Brackets are as large as what they enclose only where the formula says so. */
  operator(text) {
    const stretches = this.stretches || !BRACKETS.includes(text);
    this.stretches = false;
    return stretches ? { tag: "mo", text } : { tag: "mo", text, attributes: { stretchy: "false" } };
  }

  peek() {
    while (this.tokens[this.at]?.space !== undefined) ++this.at;
    return this.tokens[this.at];
  }

  /** Until what `ends` says, which is not taken. */
  row(depth, ends = () => false) {
    const out = [];
    for (let t = this.peek(); t !== undefined && !ends(t); t = this.peek()) {
      if (t.c === "}" && depth > 0) break;
      if (t.c === "&" || t.all === "\\\\") {
        ++this.at; // outside a table
        continue;
      }
      const base = this.atom(depth);
      if (base !== null) out.push(this.scripts(base, depth));
    }
    return out;
  }

  scripts(base, depth) {
    let below = null;
    let above = null;
    for (let t = this.peek(); t !== undefined; t = this.peek()) {
      if (t.c === "_" && below === null) below = this.argument(depth, true);
      else if (t.c === "^" && above === null) above = this.argument(depth, true);
      else if (t.c === "'" && above === null) {
        ++this.at;
        above = { tag: "mo", text: "′" };
      } else break;
    }
    const limits = base.limits === true;
    if (below !== null && above !== null) return node(limits ? "munderover" : "msubsup", [base, below, above]);
    if (below !== null) return node(limits ? "munder" : "msub", [base, below]);
    return above === null ? base : node(limits ? "mover" : "msup", [base, above]);
  }

  /** What a command takes: a group, or one thing. `skip`: the token here is the mark before it. */
  argument(depth, skip = false) {
    if (skip) ++this.at;
    if (this.peek() === undefined) return { tag: "mrow", children: [] };
    return this.atom(depth + 1) ?? { tag: "mrow", children: [] };
  }

  /** The characters of a group, as they are. */
  raw() {
    if (this.peek()?.c !== "{") return this.tokens[this.at++]?.all ?? "";
    let open = 0;
    let out = "";
    for (; this.at < this.tokens.length; ++this.at) {
      const t = this.tokens[this.at];
      if (t.c === "{" && open++ === 0) continue;
      if (t.c === "}" && --open === 0) {
        ++this.at;
        break;
      }
      out += t.escaped ?? t.all;
    }
    return out;
  }

  atom(depth) {
    const t = this.peek();
    ++this.at;
    if (t.c === "{") {
      if (depth > MOST_NESTED) return { tag: "mtext", text: "{" };
      const inside = this.row(depth + 1, (x) => x.c === "}");
      if (this.peek()?.c === "}") ++this.at;
      return row(inside);
    }
    if (t.digits !== undefined) return { tag: "mn", text: t.digits };
    if (t.command !== undefined) return this.command(t, depth);
    if (t.escaped !== undefined)
      return Object.hasOwn(SPACES, t.escaped)
        ? space(SPACES[t.escaped])
        : this.operator(t.escaped === "|" ? "‖" : t.escaped);
    if (/\p{L}/u.test(t.c)) return { tag: "mi", text: t.c };
    return this.operator(t.c === "-" ? "−" : t.c === "*" ? "∗" : t.c);
  }

  command(t, depth) {
    const name = t.command;
    if (depth > MOST_NESTED) return { tag: "mtext", text: t.all };
    if (Object.hasOwn(IDENTIFIERS, name)) return { tag: "mi", text: IDENTIFIERS[name] };
    if (Object.hasOwn(OPERATORS, name)) return this.operator(OPERATORS[name]);
    if (Object.hasOwn(LARGE, name)) return { tag: "mo", text: LARGE[name], limits: !name.includes("int") };
    if (FUNCTIONS.has(name) || WITH_LIMITS.has(name)) return { tag: "mi", text: name, limits: WITH_LIMITS.has(name) };
    if (TEXTS.has(name)) return { tag: "mtext", text: this.raw() };
    if (Object.hasOwn(VARIANTS, name))
      return node("mstyle", [this.argument(depth)], { class: `math-${VARIANTS[name]}` });
    if (Object.hasOwn(SPACES, name)) return space(SPACES[name]);
    if (IGNORED.has(name)) {
      this.stretches = /^(?:left|right|middle|[bB]igg?[lrm]?)$/.test(name);
      if (this.peek()?.c === "." && (name === "left" || name === "right")) {
        ++this.at; // no bracket
        this.stretches = false;
      }
      return null;
    }
    if (Object.hasOwn(ACCENTS, name))
      return node("mover", [this.argument(depth), { tag: "mo", text: ACCENTS[name] }], { accent: "true" });
    switch (name) {
      case "frac":
      case "dfrac":
      case "tfrac":
      case "cfrac":
        return node("mfrac", [this.argument(depth), this.argument(depth)]);
      case "binom":
        return row([
          { tag: "mo", text: "(" },
          node("mfrac", [this.argument(depth), this.argument(depth)], { linethickness: "0" }),
          { tag: "mo", text: ")" },
        ]);
      case "sqrt":
        return this.root(depth);
      case "underline":
        return node("munder", [this.argument(depth), { tag: "mo", text: "_" }]);
      case "overbrace":
        return node("mover", [this.argument(depth), { tag: "mo", text: "⏞" }]);
      case "underbrace":
        return { ...node("munder", [this.argument(depth), { tag: "mo", text: "⏟" }]), limits: true };
      case "boxed":
        return node("mrow", [this.argument(depth)], { class: "math-boxed" });
      case "begin":
        return this.environment(depth);
      case "end":
        this.raw();
        return null;
      default:
        return { tag: "mtext", text: t.all };
    }
  }

  root(depth) {
    if (this.peek()?.c !== "[") return node("msqrt", [this.argument(depth)]);
    ++this.at;
    const index = this.row(depth + 1, (x) => x.c === "]");
    if (this.peek()?.c === "]") ++this.at;
    return node("mroot", [this.argument(depth), row(index)]);
  }

  environment(depth) {
    const name = this.raw().replace(/\*$/, "");
    if (name === "array") this.raw(); // how columns stand
    const isEnd = (t) => t.command === "end";
    const rows = [];
    for (let cells = []; ;) {
      cells.push(
        node(
          "mtd",
          this.row(depth + 1, (t) => isEnd(t) || t.c === "&" || t.all === "\\\\"),
        ),
      );
      const t = this.peek();
      if (t?.c === "&") {
        ++this.at;
        continue;
      }
      if (cells.length > 1 || cells[0].children.length > 0) rows.push(node("mtr", cells));
      cells = [];
      if (t?.all !== "\\\\") break;
      ++this.at;
    }
    if (this.peek() !== undefined && isEnd(this.peek())) {
      ++this.at;
      this.raw();
    }
    const isAligned = /^(?:align|aligned|split|eqnarray|cases|array|gather|gathered)$/.test(name);
    const table = node(
      "mtable",
      rows,
      isAligned ? { class: name === "gather" || name === "gathered" ? "math-gather" : "math-align" } : undefined,
    );
    const fences = FENCES[name] ?? "";
    const fence = (text) => ({ tag: "mo", text, attributes: { fence: "true", stretchy: "true" } });
    return row([...(fences[0] ? [fence(fences[0])] : []), table, ...(fences[1] ? [fence(fences[1])] : [])]);
  }
}

const space = (em) => ({ tag: "mspace", children: [], attributes: { width: `${em}em` } });

/** The formula as a list of nodes. */
export function parseMath(source) {
  return new Reader(source).row(0);
}

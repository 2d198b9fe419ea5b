// Texts that would keep a careless reader busy for minutes, or make it nest until its stack ends.

import assert from "node:assert/strict";
import test from "node:test";

import { parseBlocks } from "../../../cli/serve/page/web/text/blocks.js";
import { splitHidden } from "../../../cli/serve/page/web/text/controls.js";
import { highlight } from "../../../cli/serve/page/web/text/highlight.js";
import { parseInline } from "../../../cli/serve/page/web/text/inline.js";
import { LANGUAGES } from "../../../cli/serve/page/web/text/languages.js";
import { parseMath } from "../../../cli/serve/page/web/text/math.js";

const N = 100_000;
const PATIENCE_MS = 2000; // far above what is needed, far below what a quadratic reader takes

const repeat = (text, n = N) => text.repeat(Math.ceil(n / text.length));

function quickly(name, f) {
  const begin = performance.now();
  const out = f();
  const ms = performance.now() - begin;
  assert.ok(ms < PATIENCE_MS, `${name} took ${Math.round(ms)} ms`);
  return out;
}

function depthOf(nodes) {
  let most = 0;
  for (const n of nodes ?? [])
    most = Math.max(most, 1 + depthOf(n.children ?? n.blocks ?? n.items?.flatMap((i) => i.blocks)));
  return most;
}

const INLINE = [
  "*a ",
  "**a_ ",
  "*_~~",
  "_a",
  "[",
  "![",
  "[](",
  '[a](b "',
  "`",
  "$a ",
  "$a $$b ",
  "\\(",
  "<http://",
  "http://[",
  "&",
  "&a",
  "<",
  "h",
  "\\",
  "~~a",
  "]",
  "(",
  "![](",
  "[a](<",
  "**",
  "* ",
  "a*",
  "https://a ",
  "\n",
  "  \n",
  "x^",
];

test("inline marks are read in linear time and nest a little only", () => {
  for (const part of INLINE) assert.ok(depthOf(quickly(part, () => parseInline(repeat(part)))) < 40, part);
  const stars = quickly("nested stars", () => parseInline(repeat("*a ", N / 2) + repeat("a* ", N / 2)));
  assert.ok(depthOf(stars) < 40);
  quickly("ever longer backticks", () =>
    parseInline(Array.from({ length: 440 }, (_, i) => `${"`".repeat(i + 1)} `).join("")),
  );
  quickly("stars around a letter", () => parseInline(`${"*".repeat(N / 2)}a${"*".repeat(N / 2)}`));
});

const BLOCKS = {
  spaces: `# ${" ".repeat(N)}x`,
  hashes: "#".repeat(N),
  closingHashes: `# ${repeat("# ")}x`,
  tildes: `${"~".repeat(N)}\``,
  backticks: `${"`".repeat(N)} \``,
  delimiters: `a|b\n-${" ".repeat(N)}x`,
  columns: `${repeat("a|")}\n${repeat("-|")}`,
  quotes: ">".repeat(N),
  quoteLines: repeat(`${">".repeat(50)}a\n`),
  items: repeat("- "),
  itemLines: repeat("- a\n"),
  nestedItems: Array.from({ length: 440 }, (_, i) => `${" ".repeat(2 * i)}- a`).join("\n"),
  looseItem: `- a\n\n${repeat("  b\n\n")}`,
  math: repeat("\\[x\n"),
  dollars: repeat("$$x\n"),
  table: `|a|b|\n|-|-|\n${repeat("|1|2|\n")}`,
  pipes: "|".repeat(N),
  rule: `${repeat("* ")}x`,
  dashes: `${"-".repeat(N)}x`,
  blank: " ".repeat(N),
  tabs: `${"\t".repeat(N)}x`,
  underlines: `${repeat("a\n")}=`,
  fences: repeat("```\n"),
  lazy: `> a\n${repeat("b\n")}`,
  numbers: repeat("1. a\n2) b\n"),
  returns: "\r".repeat(N),
  mixed: repeat("> - 1. "),
};

test("blocks are read in linear time and nest a little only", () => {
  for (const [name, text] of Object.entries(BLOCKS))
    assert.ok(depthOf(quickly(name, () => parseBlocks(text))) < 40, name);
});

const CODE = [
  '"',
  "<!--",
  "<a ",
  "'",
  "#",
  "/*",
  " ",
  "a",
  "a ",
  "-",
  "$",
  "${",
  "1",
  "1e",
  "@a.",
  "[",
  "a.",
  '"\\',
  "`",
  "a-",
  "&a",
  '"""',
  "#a",
  "a:",
  "=",
  "{",
  "\n",
  "/",
  "<",
  ">",
];

// Each of these has something that the others lack.
const LANGUAGES_OF_ALL_KINDS = [
  "bash",
  "cpp",
  "css",
  "diff",
  "haskell",
  "html",
  "ini",
  "javascript",
  "json",
  "lua",
  "php",
  "python",
  "sql",
  "toml",
  "yaml",
];

test("code is read in linear time, and whole", () => {
  for (const name of LANGUAGES_OF_ALL_KINDS)
    for (const part of CODE) {
      const text = repeat(part, 40_000).slice(0, 40_000);
      assert.equal(
        quickly(`${name} ${part}`, () => highlight(text, name))
          .map(([, t]) => t)
          .join(""),
        text,
      );
    }
});

test("no language loses a character", () => {
  const text = CODE.join(" ") + CODE.join("") + "\n\tend \u{1f600} ünïcode";
  for (const name of [...Object.keys(LANGUAGES), "c++", "no such language", "__proto__", "constructor"])
    assert.equal(
      highlight(text, name)
        .map(([, t]) => t)
        .join(""),
      text,
      name,
    );
});

test("formulas are read in linear time and nest a little only", () => {
  for (const part of [
    "{",
    "}",
    "^",
    "_",
    "\\frac",
    "\\sqrt[",
    "\\begin{a}",
    "\\text{",
    "\\hat",
    "&",
    "\\\\",
    "\\left(",
    "x^{",
    "'",
    "\\end{a}",
    "$",
  ])
    assert.ok(depthOf(quickly(part, () => parseMath(repeat(part)))) < 80, part);
});

test("what is hidden in a text becomes visible", () => {
  assert.deepEqual(splitHidden("a\u001b[31mb\u001b]0;t\u0007c\u202ed\u0000"), [
    "a",
    { hidden: "\u001b[31m", name: "ESC" },
    "b",
    { hidden: "\u001b]0;t\u0007", name: "ESC" },
    "c",
    { hidden: "\u202e", name: "U+202E" },
    "d",
    { hidden: "\u0000", name: "␀" },
  ]);
  assert.deepEqual(splitHidden("plain\ttext\nwith émoji 👩‍💻 and ‏עברית"), ["plain\ttext\nwith émoji 👩‍💻 and ‏עברית"]);
  quickly("escapes", () => splitHidden(repeat("\u001b]")));
});

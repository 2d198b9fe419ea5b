import assert from "node:assert/strict";
import test from "node:test";

import { parseBlocks } from "../../../cli/serve/page/web/text/blocks.js";
import { parseInline, plainText, safeHref } from "../../../cli/serve/page/web/text/inline.js";
import { parseMath } from "../../../cli/serve/page/web/text/math.js";

/** Blocks without their offsets. */
function blocks(text) {
  return JSON.parse(
    JSON.stringify(parseBlocks(text), (key, value) => (key === "from" || key === "to" ? undefined : value)),
  );
}
const paragraph = (text) => ({ type: "paragraph", text });

test("headings, paragraphs, rules and quotes are told apart", () => {
  assert.deepEqual(blocks("# One #\n\ntext\nmore\n\n---\n> q\nlazy\n\nTwo\n==="), [
    { type: "heading", level: 1, text: "One" },
    paragraph("text\nmore"),
    { type: "rule" },
    { type: "quote", blocks: [paragraph("q\nlazy")] },
    { type: "heading", level: 1, text: "Two" },
  ]);
});

test("a number sign without a space is no heading", () => {
  assert.deepEqual(blocks("#include <x>\n####### seven"), [paragraph("#include <x>\n####### seven")]);
});

test("a fence keeps what is in it, and is open until it closes", () => {
  assert.deepEqual(blocks("```c++ x\n# no heading\n  - no list\n```\nafter"), [
    { type: "code", language: "c++", text: "# no heading\n  - no list", closed: true },
    paragraph("after"),
  ]);
  assert.deepEqual(blocks("~~~\n```\nstill"), [{ type: "code", language: "", text: "```\nstill", closed: false }]);
  assert.deepEqual(blocks("````\n```\n````"), [{ type: "code", language: "", text: "```", closed: true }]);
});

test("lists nest, keep their first number, and know whether they are loose", () => {
  const [list] = blocks("3. a\n4. b\n   - c\n   - d");
  assert.equal(list.start, 3);
  assert.equal(list.tight, true);
  assert.deepEqual(
    list.items[1].blocks[1].items.map((i) => i.blocks[0].text),
    ["c", "d"],
  );
  assert.equal(blocks("- a\n\n- b")[0].tight, false);
  assert.deepEqual(
    blocks("- [x] done\n- [ ] open\n- [y] text")[0].items.map((i) => i.task),
    [true, false, null],
  );
});

test("code inside a list stays there", () => {
  const [list] = blocks("1. do\n   ```sh\n   ls\n   ```\n2. then");
  assert.equal(list.items.length, 2);
  assert.deepEqual(list.items[0].blocks[1], { type: "code", language: "sh", text: "ls", closed: true });
});

test("a table has as many cells in each row as its head", () => {
  const [table] = blocks("| a | b |\n|:--|--:|\n| 1 |\n| `x|y` | 2 | 3 |\n\nafter");
  assert.deepEqual(table, {
    type: "table",
    align: ["left", "right"],
    head: ["a", "b"],
    rows: [
      ["1", ""],
      ["`x|y`", "2"],
    ],
  });
});

test("a line of dashes under a text with a pipe is a table only with as many columns", () => {
  assert.deepEqual(blocks("a | b | c\n---|---"), [paragraph("a | b | c\n---|---")]);
});

test("formulas stand in dollars or brackets", () => {
  assert.deepEqual(blocks("$$\nx\n$$"), [{ type: "math", text: "x" }]);
  assert.deepEqual(blocks("\\[ y \\]"), [{ type: "math", text: "y" }]);
  assert.deepEqual(blocks("$$ open\n\nx"), [paragraph("$$ open"), paragraph("x")]);
});

test("every block says where it stands in the text", () => {
  const text = "# a\r\n\r\npara\nmore\n\n- x\n- y\n\n```\nz\n```";
  for (const b of parseBlocks(text)) assert.ok(text.slice(b.from, b.to).trim().length > 0);
  assert.deepEqual(
    parseBlocks(text).map((b) => text.slice(b.from, b.to).trimEnd()),
    ["# a", "para\nmore", "- x\n- y", "```\nz\n```"],
  );
});

test("what comes later changes only the last two blocks", () => {
  const text =
    "# h\n\n- a\n- b\n\n1. x\n\n2. y\n\n> q\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```js\ncode\n\nmore\n```\n\nend\n===\n\n$$\nx\n$$\n\nlast";
  const whole = parseBlocks(text);
  for (let end = 1; end < text.length; ++end) {
    const some = parseBlocks(text.slice(0, end));
    for (const block of some.slice(0, -2))
      assert.ok(
        whole.some((w) => w.from === block.from && w.to === block.to && w.type === block.type),
        `${end}: ${JSON.stringify(block)}`,
      );
  }
});

test("emphasis follows CommonMark's rules", () => {
  assert.deepEqual(parseInline("**b** *i* ***bi*** ~~d~~"), [
    { type: "strong", children: ["b"] },
    " ",
    { type: "em", children: ["i"] },
    " ",
    { type: "em", children: [{ type: "strong", children: ["bi"] }] },
    " ",
    { type: "del", children: ["d"] },
  ]);
  assert.deepEqual(parseInline("snake_case_name 2 * 3 * 4 ~5"), ["snake_case_name 2 * 3 * 4 ~5"]);
});

test("bold text that ends in a punctuation mark needs no space behind it", () => {
  assert.deepEqual(parseInline("**Note:**text"), [{ type: "strong", children: ["Note:"] }, "text"]);
  assert.deepEqual(parseInline("**注意：**文字"), [{ type: "strong", children: ["注意："] }, "文字"]);
});

test("code, escapes, entities and line breaks", () => {
  assert.deepEqual(parseInline("`` a`b `` \\* &lt;b&gt; &unknown; x  \ny<br>z"), [
    { type: "code", text: "a`b" },
    " * <b> &unknown; x",
    { type: "break" },
    "y",
    { type: "break" },
    "z",
  ]);
});

test("prices are no formulas", () => {
  assert.deepEqual(parseInline("costs $5 and $6, or $x$"), ["costs $5 and $6, or ", { type: "math", text: "x" }]);
  assert.deepEqual(parseInline("\\(a\\) and $$b$$"), [
    { type: "math", text: "a" },
    " and ",
    { type: "math", text: "b" },
  ]);
});

test("links lead to absolute addresses of the web and of mail, and nowhere else", () => {
  assert.deepEqual(parseInline('[a](https://x.example/p "t")'), [
    { type: "link", href: "https://x.example/p", title: "t", children: ["a"] },
  ]);
  assert.deepEqual(parseInline("see https://x.example/a_(b)."), [
    "see ",
    { type: "link", href: "https://x.example/a_(b)", title: "", children: ["https://x.example/a_(b)"] },
    ".",
  ]);
  for (const bad of [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:x",
    "/cluster",
    "//evil.example",
    "#x",
    "page/main.js",
    " javascript:alert(1)",
    "java\nscript:x",
  ]) {
    assert.equal(safeHref(bad), null, bad);
    assert.ok(!JSON.stringify(parseInline(`[x](${bad}) ![y](${bad}) <${bad}>`)).includes('"link"'), bad);
  }
});

test("images become links to themselves", () => {
  assert.deepEqual(parseInline("![cat *x*](https://x.example/c.png)"), [
    { type: "image", href: "https://x.example/c.png", alt: "cat x" },
  ]);
});

test("markup of HTML is text", () => {
  const text = '<script>alert(1)</script> <img src=x onerror="x"> <a href="javascript:x">y</a>';
  assert.equal(plainText(parseInline(text)), text);
  assert.deepEqual(blocks(`<div>\n${text}\n</div>`), [paragraph(`<div>\n${text}\n</div>`)]);
});

test("no character is lost", () => {
  for (const text of [
    "a * b _ c ` d [ e ] ( f ) ! g < h > i & j $ k \\ l ~ m",
    "[[[",
    "]]](",
    "**",
    "_",
    "![",
    "``` `",
    "a_b* c_",
    "h http ht https://",
    "~~~",
    "$",
    "\\",
  ])
    assert.equal(plainText(parseInline(text)), text);
});

test("brackets of a formula are as large as what they enclose only where it says so", () => {
  const brackets = (source) =>
    parseMath(source)
      .flatMap((n) => [n, ...(n.children ?? [])])
      .filter((n) => n.tag === "mo")
      .map((n) => [n.text, n.attributes?.stretchy ?? "as usual"]);
  assert.deepEqual(brackets("f(x)_i"), [
    ["(", "false"],
    [")", "false"],
  ]);
  assert.deepEqual(brackets("\\left( x \\right)"), [
    ["(", "as usual"],
    [")", "as usual"],
  ]);
  assert.deepEqual(brackets("\\left. x \\right| + (y)"), [
    ["|", "as usual"],
    ["+", "as usual"],
    ["(", "false"],
    [")", "false"],
  ]);
});

// Shows Markdown as nodes, while it comes: blocks that are complete stay as they are, the last ones are read again.

import { parseBlocks } from "../text/blocks.js";
import { highlight } from "../text/highlight.js";
import { parseInline } from "../text/inline.js";
import { copyButton, h, visible } from "./dom.js";
import { mathNode } from "./math.js";

// What follows can still change a block and the one before it ("1" after a list is text until "1." continues it).
const UNSETTLED = 2;

export class MarkdownView {
  element = h("div", { class: "markdown", dir: "auto" });
  #text = "";
  #settled = 0; // blocks
  #settledTo = 0; // offset of the text behind them
  #shown = []; // {source, type, node} of each block

  /** Shows a text, which is mostly the last one with more behind it. */
  update(text) {
    if (text === this.#text) return;
    if (!text.startsWith(this.#text)) this.#reset();
    this.#text = text;
    const blocks = parseBlocks(text.slice(this.#settledTo), this.#settledTo);
    blocks.forEach((block, i) => this.#show(this.#settled + i, block, text.slice(block.from, block.to)));
    for (const { node } of this.#shown.splice(this.#settled + blocks.length)) node.remove();
    if (blocks.length > UNSETTLED) {
      this.#settled += blocks.length - UNSETTLED;
      this.#settledTo = blocks[blocks.length - UNSETTLED].from;
    }
  }

  #reset() {
    this.element.replaceChildren();
    this.#shown = [];
    this.#settled = 0;
    this.#settledTo = 0;
  }

  #show(index, block, source) {
    const before = this.#shown[index];
    if (before?.source === source && before.type === block.type) return;
    // A code block keeps its node, and so its selection and scroll position.
    if (before?.type === "code" && block.type === "code") {
      before.source = source;
      before.node.show(block);
      return;
    }
    const node = blockNode(block);
    if (before) before.node.replaceWith(node);
    else this.element.append(node);
    this.#shown[index] = { source, type: block.type, node };
  }
}

/** A text that does not change any more. */
export function markdown(text) {
  const view = new MarkdownView();
  view.update(text);
  return view.element;
}

function blockNode(block) {
  switch (block.type) {
    // The page has headings of its own above these.
    case "heading":
      return h(`h${Math.min(6, block.level + 2)}`, { class: `level-${block.level}` }, inlineNodes(block.text));
    case "code":
      return codeNode(block);
    case "math":
      return h("div", { class: "math-block", tabindex: "0" }, mathNode(block.text, true));
    case "rule":
      return h("hr");
    case "quote":
      return h("blockquote", {}, block.blocks.map(blockNode));
    case "list":
      return listNode(block);
    case "table":
      return tableNode(block);
    default:
      return h("p", {}, inlineNodes(block.text));
  }
}

function listNode(list) {
  const items = list.items.map((item) => {
    const blocks = item.blocks.map((b) =>
      list.tight && b.type === "paragraph" ? inlineNodes(b.text) : [blockNode(b)],
    );
    if (item.task === null) return h("li", {}, blocks.flat());
    const box = h("input", {
      type: "checkbox",
      disabled: true,
      checked: item.task,
      ariaLabel: item.task ? "done" : "not done",
    });
    return h("li", { class: "task" }, box, " ", blocks.flat());
  });
  if (!list.ordered) return h("ul", {}, items);
  return h("ol", list.start === 1 ? {} : { start: String(list.start) }, items);
}

function tableNode({ align, head, rows }) {
  const cell = (tag) => (text, column) =>
    h(tag, align[column] ? { class: `align-${align[column]}` } : {}, inlineNodes(text));
  const body = rows.map((row) => h("tr", {}, row.map(cell("td"))));
  const table = h("table", {}, h("thead", {}, h("tr", {}, head.map(cell("th")))), h("tbody", {}, body));
  return h("div", { class: "table-scroll", role: "region", ariaLabel: "Table", tabindex: "0" }, table);
}

function codeNode(block) {
  let text = block.text;
  const code = h("code", { dir: "ltr" });
  const label = h("span", { class: "code-language" });
  const node = h(
    "figure",
    { class: "code" },
    h(
      "figcaption",
      {},
      label,
      copyButton("Copy code", () => text),
    ),
    h("pre", { tabindex: "0" }, code),
  );
  node.show = (b) => {
    text = b.text;
    label.textContent = b.language === "" ? "text" : b.language.slice(0, 40);
    code.replaceChildren(
      ...highlight(b.text, b.language).flatMap(([kind, part]) =>
        kind === "" ? visible(part) : [h("span", { class: `code-${kind}` }, visible(part))],
      ),
    );
  };
  node.show(block);
  return node;
}

export function inlineNodes(text) {
  return parseInline(text).flatMap(inlineNode);
}

function inlineNode(n) {
  if (typeof n === "string") return visible(n);
  switch (n.type) {
    case "code":
      return [h("code", {}, visible(n.text))];
    case "math":
      return [mathNode(n.text, false)];
    case "break":
      return [h("br")];
    case "link":
      return [linkNode(n.href, n.children.flatMap(inlineNode), n.title)];
    // An image of another server would tell it that it was looked at; so it is a link.
    case "image":
      return [linkNode(n.href, [`Image: ${n.alt || n.href}`], "")];
    default:
      return [h(n.type, {}, n.children.flatMap(inlineNode))];
  }
}

function linkNode(href, children, title) {
  return h(
    "a",
    { href, target: "_blank", rel: "noopener noreferrer nofollow", title: title === "" ? href : `${title} – ${href}` },
    children,
  );
}

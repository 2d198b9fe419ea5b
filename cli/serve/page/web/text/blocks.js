// Markdown, block by block: CommonMark's blocks without HTML and link definitions, with tables, task lists and
// displayed formulas. The result is plain objects; view/markdown.js makes nodes of them.
//
//   heading {level, text} · paragraph {text} · code {language, text, closed} · math {text} · rule {}
//   quote {blocks} · list {ordered, start, tight, items: [{task, blocks}]} · table {align, head, rows}
//
// Each block has `from` and `to`, offsets into the text. Texts inside are read by inline.js.
// Time is linear in the text: nesting is bounded, and what is nested deeper is text.

const MOST_NESTED = 12;
const MOST_COLUMNS = 128;
const MOST_ROWS = 5000;
const MOST_MATH_LINES = 64;

const RULE = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const HEADING = /^ {0,3}(#{1,6})(?=[ \t]|$)(.*)$/;
// The look ahead keeps long runs from being tried at every length.
const FENCE = /^( {0,3})(?:(`{3,})(?!`)([^`]*)|(~{3,})(?!~)(.*))$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-+*]|\d{1,9}[.)])(?:([ \t]+)(.*)|)$/;
const UNDERLINE = /^ {0,3}(=+|-+)[ \t]*$/;
const DELIMITERS = /^\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?$/;
const TASK = /^\[([ xX])\][ \t]+/;
const MATH_OPEN = /^ {0,3}(\$\$|\\\[)/;
const CLOSE_OF = { $$: "$$", "\\[": "\\]" };

const isBlank = (line) => /^[ \t]*$/.test(line);
const isDelimiters = (line) => line.includes("-") && indentOf(line).columns < 4 && DELIMITERS.test(line.trim());

function headingText(rest) {
  const text = rest.trim();
  let end = text.length;
  while (end > 0 && text[end - 1] === "#") --end;
  return end === 0 ? "" : /[ \t]/.test(text[end - 1]) ? text.slice(0, end).trimEnd() : text;
}

function closesFence(line, marks) {
  const text = line.trim();
  if (indentOf(line).columns > 3 || text.length < marks.length) return false;
  for (const c of text) if (c !== marks[0]) return false;
  return true;
}

// Tabs count to the next multiple of four, as CommonMark has them, at a line's beginning only.
function indentOf(line) {
  let columns = 0;
  let i = 0;
  for (; i < line.length; ++i) {
    if (line[i] === " ") columns += 1;
    else if (line[i] === "\t") columns += 4 - (columns % 4);
    else break;
  }
  return { columns, length: i };
}

function withoutIndent(line, columns) {
  let have = 0;
  let i = 0;
  for (; i < line.length && have < columns; ++i) {
    if (line[i] === " ") have += 1;
    else if (line[i] === "\t") have += 4 - (have % 4);
    else break;
  }
  return " ".repeat(Math.max(0, have - columns)) + line.slice(i);
}

/** The cells of a table's line. A pipe in code or behind a backslash separates nothing. */
function cellsOf(line) {
  const cells = [];
  let cell = "";
  let ticks = 0;
  const body = line.trim().replace(/^\|/, "");
  for (let i = 0; i < body.length; ++i) {
    const c = body[i];
    if (c === "\\" && body[i + 1] === "|") {
      cell += "|";
      ++i;
    } else if (c === "|" && ticks === 0) {
      cells.push(cell.trim());
      cell = "";
      if (cells.length > MOST_COLUMNS) return null;
    } else {
      if (c === "`") ticks ^= 1;
      cell += c;
    }
  }
  // An odd backtick opens nothing: then pipes count wherever they are.
  if (ticks !== 0)
    return body
      .replace(/\|[ \t]*$/, "")
      .split("|")
      .slice(0, MOST_COLUMNS + 1)
      .map((c) => c.trim());
  if (cell.trim() !== "") cells.push(cell.trim());
  return cells;
}

function alignOf(line) {
  return cellsOf(line)?.map((cell) =>
    cell.startsWith(":") ? (cell.endsWith(":") ? "center" : "left") : cell.endsWith(":") ? "right" : "",
  );
}

class Parser {
  /** `lines` are {text, from, to}; offsets are those of the whole text. */
  constructor(lines, depth) {
    this.lines = lines;
    this.depth = depth;
    this.at = 0;
    this.blocks = [];
  }

  parse() {
    while (this.at < this.lines.length) {
      const line = this.lines[this.at].text;
      if (isBlank(line)) ++this.at;
      else
        this.fence(line) ||
          this.math(line) ||
          this.indented(line) ||
          this.rule(line) ||
          this.heading(line) ||
          this.quote(line) ||
          this.list(line) ||
          this.table() ||
          this.paragraph();
    }
    return this.blocks;
  }

  push(block, first, end) {
    block.from = this.lines[first].from;
    block.to = this.lines[end - 1].to;
    this.blocks.push(block);
    this.at = end;
    return true;
  }

  fence(line) {
    const open = FENCE.exec(line);
    if (!open) return false;
    const indent = open[1];
    const marks = open[2] ?? open[4];
    const info = open[3] ?? open[5];
    const first = this.at;
    const text = [];
    let i = first + 1;
    let closed = false;
    for (; i < this.lines.length && !closed; ++i) {
      if (closesFence(this.lines[i].text, marks)) closed = true;
      else text.push(withoutIndent(this.lines[i].text, indent.length));
    }
    return this.push({ type: "code", language: info.trim().split(/\s+/)[0], text: text.join("\n"), closed }, first, i);
  }

  math(line) {
    const open = MATH_OPEN.exec(line);
    if (!open) return false;
    const close = CLOSE_OF[open[1]];
    const text = [];
    let rest = line.slice(open[0].length);
    for (let i = this.at; ; rest = this.lines[i].text) {
      const end = rest.indexOf(close);
      if (end >= 0 && isBlank(rest.slice(end + close.length))) {
        text.push(rest.slice(0, end));
        return this.push({ type: "math", text: text.join("\n").trim() }, this.at, i + 1);
      }
      // Behind a blank line, or with text behind its end, it was no formula.
      if (end >= 0 || (isBlank(rest) && i > this.at) || i - this.at > MOST_MATH_LINES) return false;
      if (++i >= this.lines.length) return false;
      text.push(rest);
    }
  }

  indented(line) {
    if (indentOf(line).columns < 4) return false;
    const text = [];
    let end = this.at;
    for (let i = this.at; i < this.lines.length; ++i) {
      const l = this.lines[i].text;
      if (isBlank(l)) text.push(withoutIndent(l, 4));
      else if (indentOf(l).columns >= 4) {
        text.push(withoutIndent(l, 4));
        end = i + 1;
      } else break;
    }
    return this.push(
      { type: "code", language: "", text: text.slice(0, end - this.at).join("\n"), closed: true },
      this.at,
      end,
    );
  }

  rule(line) {
    return RULE.test(line) && this.push({ type: "rule" }, this.at, this.at + 1);
  }

  heading(line) {
    const h = HEADING.exec(line);
    return (
      h !== null && this.push({ type: "heading", level: h[1].length, text: headingText(h[2]) }, this.at, this.at + 1)
    );
  }

  /** Whether this line ends a paragraph without a blank line. */
  interrupts(line) {
    if (RULE.test(line) || HEADING.test(line) || FENCE.test(line) || QUOTE.test(line)) return true;
    const item = ITEM.exec(line);
    return (
      item !== null && item[4] !== undefined && item[4] !== "" && (item[2].length === 1 || /^1[.)]$/.test(item[2]))
    );
  }

  inner(lines) {
    if (this.depth + 1 < MOST_NESTED) return new Parser(lines, this.depth + 1).parse();
    const text = lines.map((l) => l.text).join("\n");
    return text.trim() === "" ? [] : [{ type: "paragraph", text, from: lines[0].from, to: lines[lines.length - 1].to }];
  }

  quote(line) {
    if (!QUOTE.test(line)) return false;
    const inside = [];
    let i = this.at;
    let isText = false; // the last line can be continued by one without a mark
    for (; i < this.lines.length; ++i) {
      const l = this.lines[i];
      if (QUOTE.test(l.text)) {
        const text = l.text.replace(QUOTE, "");
        isText =
          !isBlank(text) && !FENCE.test(text) && !RULE.test(text) && !HEADING.test(text) && indentOf(text).columns < 4;
        inside.push({ ...l, text });
      } else if (isText && !isBlank(l.text) && !this.interrupts(l.text)) inside.push(l);
      else break;
    }
    return this.push({ type: "quote", blocks: this.inner(inside) }, this.at, i);
  }

  list(line) {
    const first = ITEM.exec(line);
    if (!first) return false;
    const kind = first[2].slice(-1);
    const ordered = first[2].length > 1;
    const out = { type: "list", ordered, start: ordered ? Number.parseInt(first[2], 10) : 1, tight: true, items: [] };
    const begin = this.at;
    let i = begin;
    let end = begin;
    let gap = false;
    while (i < this.lines.length) {
      const item = RULE.test(this.lines[i].text) ? null : ITEM.exec(this.lines[i].text);
      if (!item || item[2].slice(-1) !== kind || item[2].length > 1 !== ordered) break;
      if (gap) out.tight = false;
      const lines = this.itemLines(i, item);
      i += lines.length;
      // Blank lines at an item's end separate items, and do not belong to it.
      let used = lines.length;
      while (used > 1 && isBlank(lines[used - 1].text)) --used;
      gap = used < lines.length;
      end = i - (lines.length - used);
      out.items.push(this.item(lines.slice(0, used), out));
    }
    return this.push(out, begin, end);
  }

  /** The lines of the item that begins at `i`, without its mark and indentation. */
  itemLines(i, item) {
    const spaces = item[3] === undefined ? 1 : indentOf(item[3]).columns;
    const isEmpty = (item[4] ?? "") === "";
    const width = item[1].length + item[2].length + (spaces > 4 || isEmpty ? 1 : spaces);
    const out = [{ ...this.lines[i], text: (spaces > 4 ? " ".repeat(spaces - 1) : "") + (item[4] ?? "") }];
    let isText = !isEmpty;
    let inFence = FENCE.test(out[0].text);
    for (let k = i + 1; k < this.lines.length; ++k) {
      const l = this.lines[k];
      if (isBlank(l.text)) {
        // An item that begins with a blank line has nothing behind a second one.
        if (isEmpty && out.length === 1 && k + 1 < this.lines.length && isBlank(this.lines[k + 1].text)) break;
        out.push({ ...l, text: "" });
        isText = false;
      } else if (indentOf(l.text).columns >= width) {
        const text = withoutIndent(l.text, width);
        const isFence = FENCE.test(text);
        if (isFence) inFence = !inFence;
        out.push({ ...l, text });
        isText = !inFence && !isFence && !HEADING.test(text) && !RULE.test(text);
      } else if (isText && !this.interrupts(l.text) && !ITEM.test(l.text)) out.push({ ...l, text: l.text.trimStart() });
      else break;
    }
    return out;
  }

  item(lines, list) {
    const task = TASK.exec(lines[0].text);
    const inside = task ? [{ ...lines[0], text: lines[0].text.slice(task[0].length) }, ...lines.slice(1)] : lines;
    const blocks = this.inner(inside);
    let next = 1; // the block whose beginning comes next
    for (const l of inside) {
      while (next < blocks.length && l.from >= blocks[next].from) ++next;
      if (next < blocks.length && l.from >= blocks[next - 1].to && isBlank(l.text)) list.tight = false;
    }
    return { task: task ? task[1] !== " " : null, blocks };
  }

  table() {
    const head = this.lines[this.at].text;
    const second = this.lines[this.at + 1]?.text;
    if (second === undefined || !head.includes("|") || !isDelimiters(second)) return false;
    const names = cellsOf(head);
    const align = alignOf(second);
    if (!names || !align || names.length !== align.length || names.length > MOST_COLUMNS) return false;
    const rows = [];
    let i = this.at + 2;
    for (; i < this.lines.length && rows.length < MOST_ROWS; ++i) {
      const l = this.lines[i].text;
      if (isBlank(l) || this.interrupts(l)) break;
      const cells = cellsOf(l) ?? [];
      rows.push(align.map((_, column) => cells[column] ?? ""));
    }
    return this.push({ type: "table", align, head: names, rows }, this.at, i);
  }

  paragraph() {
    const first = this.at;
    const text = [this.lines[first].text.trimStart()];
    let i = first + 1;
    for (; i < this.lines.length; ++i) {
      const l = this.lines[i].text;
      if (isBlank(l)) break;
      const underline = UNDERLINE.exec(l);
      if (underline) {
        const level = underline[1][0] === "=" ? 1 : 2;
        return this.push({ type: "heading", level, text: text.join("\n").trimEnd() }, first, i + 1);
      }
      if (this.interrupts(l) || MATH_OPEN.test(l)) break;
      // A table may begin with this line.
      const next = this.lines[i + 1]?.text;
      if (next !== undefined && l.includes("|") && isDelimiters(next)) {
        if (cellsOf(l)?.length === alignOf(next)?.length) break;
      }
      text.push(l.trimStart());
    }
    return this.push({ type: "paragraph", text: text.join("\n").trimEnd() }, first, i);
  }
}

/** The lines of a text with their offsets; `to` is behind the line's end. */
function linesOf(text, offset) {
  const out = [];
  const end = /\r\n|\n|\r/g;
  let from = 0;
  for (let m = end.exec(text); m !== null; m = end.exec(text)) {
    out.push({ text: text.slice(from, m.index), from: offset + from, to: offset + end.lastIndex });
    from = end.lastIndex;
  }
  if (from < text.length) out.push({ text: text.slice(from), from: offset + from, to: offset + text.length });
  return out;
}

/** `offset` is added to the blocks' offsets. */
export function parseBlocks(text, offset = 0) {
  return new Parser(linesOf(text, offset), 0).parse();
}

// Marks of emphasis become nodes: CommonMark's "process emphasis", in linear time.
//
// A list of inline content holds texts, nodes, and marks {mark, count, canOpen, canClose}; `depths` has for nodes that
// hold others how deeply they are nested.

const MOST_NESTED = 12; // what would be deeper is text

/** CommonMark's "process emphasis": marks become nodes around what is between them. */
export function withEmphasis(list, depths) {
  const out = [...list];
  const openers = []; // positions of marks that can open
  const bottoms = new Map(); // by kind of closer: there is no opener for it at or below this position
  for (let i = 0; i < out.length; ++i) {
    const closer = out[i];
    if (closer?.mark === undefined) continue;
    while (closer.canClose && closer.count > 0) {
      const kind = `${closer.mark}${closer.canOpen}${closer.count % 3}`;
      const k = openerOf(closer, openers, out, bottoms.get(kind) ?? -1);
      if (k < 0) {
        bottoms.set(kind, i - 1);
        break;
      }
      if (!wrap(out, openers[k], i, depths)) {
        openers.length = 0; // all that is further out would be deeper still
        break;
      }
      openers.length = out[openers[k]].count > 0 ? k + 1 : k;
    }
    if (closer.canOpen && closer.count > 0) openers.push(i);
  }
  return joined(out);
}

function openerOf(closer, openers, out, bottom) {
  for (let k = openers.length - 1; k >= 0 && openers[k] > bottom; --k) {
    const o = out[openers[k]];
    const isOdd =
      (o.canClose || closer.canOpen) &&
      (o.count + closer.count) % 3 === 0 &&
      (o.count % 3 !== 0 || closer.count % 3 !== 0);
    if (o.mark === closer.mark && !isOdd) return k;
  }
  return -1;
}

/** Makes one node of what is between two marks; false if that would be nested too deeply. */
function wrap(out, from, to, depths) {
  const opener = out[from];
  const closer = out[to];
  const children = joined(out.slice(from + 1, to));
  const depth = 1 + depthOf(children, depths);
  if (depth > MOST_NESTED) return false;
  const used = closer.mark === "~" || (opener.count >= 2 && closer.count >= 2) ? 2 : 1;
  const node = { type: closer.mark === "~" ? "del" : used === 2 ? "strong" : "em", children };
  depths.set(node, depth);
  out.fill(undefined, from + 1, to);
  out[to - 1] = node;
  opener.count -= used;
  closer.count -= used;
  return true;
}

/** How deeply nodes are nested below. */
export function depthOf(nodes, depths) {
  let most = 0;
  for (const n of nodes) if (typeof n !== "string") most = Math.max(most, depths.get(n) ?? 0);
  return most;
}

/** Adjacent texts as one, and marks that have found nobody as texts. */
function joined(list) {
  const out = [];
  for (const x of list) {
    const node = x?.mark !== undefined ? x.mark.repeat(x.count) : x;
    if (node === undefined || node === "") continue;
    if (typeof node === "string" && typeof out[out.length - 1] === "string") out[out.length - 1] += node;
    else out.push(node);
  }
  return out;
}

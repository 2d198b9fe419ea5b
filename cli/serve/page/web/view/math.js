// Formulas as MathML, which browsers draw themselves and screen readers read.

import { parseMath } from "../text/math.js";
import { visible } from "./dom.js";

const MATH = "http://www.w3.org/1998/Math/MathML";

export function mathNode(source, isBlock) {
  const math = document.createElementNS(MATH, "math");
  if (isBlock) math.setAttribute("display", "block");
  math.setAttribute("alttext", source);
  const all = document.createElementNS(MATH, "mrow");
  all.append(...parseMath(source).map(nodeOf));
  math.append(all);
  return math;
}

function nodeOf({ tag, text, children = [], attributes = {} }) {
  const out = document.createElementNS(MATH, tag);
  for (const [name, value] of Object.entries(attributes)) out.setAttribute(name, value);
  if (text !== undefined) out.append(...visible(text));
  else out.append(...children.map(nodeOf));
  return out;
}

// A line of numbers over time, as small as a word.

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [120, 28];

function element(name, attributes) {
  const out = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) out.setAttribute(key, value);
  return out;
}

export function sparkline(values, label) {
  const most = Math.max(...values, 1e-9);
  const points = values.map(
    (v, i) =>
      `${((i * WIDTH) / (values.length - 1)).toFixed(1)},${(HEIGHT - 2 - (v / most) * (HEIGHT - 4)).toFixed(1)}`,
  );
  const svg = element("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    class: "sparkline",
    role: "img",
    "aria-label": label,
    preserveAspectRatio: "none",
  });
  svg.append(
    element("polygon", { points: `0,${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}`, class: "sparkline-area" }),
    element("polyline", { points: points.join(" "), class: "sparkline-line" }),
  );
  return svg;
}

// Colours of nodes: told apart by people who see colours differently, in both themes, and never the only way in which
// something is said. After the eighth node they repeat.

const NODES = {
  light: ["#2563c9", "#d9622b", "#1f8a5f", "#9a45b5", "#b98a12", "#c93a68", "#2b93b8", "#6c5ed1"],
  dark: ["#6ea3ff", "#ff9a62", "#57cfa0", "#d08cf0", "#e6bf55", "#ff85a8", "#6ccbec", "#a99cff"],
};
const HERE = { light: "#0b6e69", dark: "#4fc4b8" };
const NOBODY = { light: "#b3261e", dark: "#ff6b60" };
const EMPTY = { light: "#e9e5de", dark: "#26292d" };

export function nodeColor(index, theme) {
  if (index === -1) return HERE[theme];
  if (index === -2) return NOBODY[theme];
  return NODES[theme][index % NODES[theme].length];
}

function rgb(hex) {
  return [1, 3, 5].map((i) => Number.parseInt(hex.slice(i, i + 2), 16));
}

/** A table of `steps` colours from a cell that is cold to one that is hot, as [r, g, b]. */
export function heatColors(color, theme, coldest, steps = 64) {
  const from = rgb(EMPTY[theme]);
  const to = rgb(color);
  return Array.from({ length: steps }, (_, i) => {
    const x = coldest + ((1 - coldest) * i) / (steps - 1);
    return from.map((c, k) => Math.round(c + (to[k] - c) * x));
  });
}

export function emptyColor(theme) {
  return rgb(EMPTY[theme]);
}

export function toRgb(hex) {
  return rgb(hex);
}

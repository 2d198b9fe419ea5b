// Layers × experts: whose each expert is (hue) and how often it was used of late (strength). One image for the eye, a
// description for screen readers, and a cell at a time by pointer or arrow keys.

import { hereName } from "../text/place.js";
import { h } from "../view/dom.js";
import { emptyColor, heatColors, nodeColor, toRgb } from "./colors.js";
import { HERE, NOBODY, heatLevel } from "./picture.js";

const STEPS = 64; // of a colour
const AXIS_PX = 18; // left of the image
const MOST_HEIGHT_PX = 420;

export class Heatmap {
  element;
  mode = "both"; // "both" | "owner" | "heat"
  #canvas;
  #readout = h("p", { class: "heat-readout", role: "status" });
  #data = null; // {layers, experts, owners, counts, most, used, hottest, tokens, names}
  #theme = "light";
  #cursor = null; // {layer, expert}
  #edges = { x: [], y: [] }; // of cells, in pixels of the canvas

  constructor() {
    this.#canvas = h("canvas", {
      class: "heat-canvas",
      tabindex: "0",
      role: "img",
      on: {
        pointermove: (e) => this.#point(e),
        pointerdown: (e) => this.#point(e),
        pointerleave: () => this.#leave(),
        blur: () => this.#leave(),
        keydown: (e) => this.#key(e),
      },
    });
    this.element = h(
      "div",
      { class: "heat" },
      h(
        "div",
        { class: "heat-axes" },
        h("span", { class: "heat-axis-y", ariaHidden: "true" }, "layers"),
        this.#canvas,
        h("span", { class: "heat-axis-x", ariaHidden: "true" }, "experts"),
      ),
      this.#readout,
    );
    new ResizeObserver(() => this.#draw()).observe(this.element);
  }

  show(data, theme) {
    this.#data = data;
    this.#theme = theme;
    this.#draw();
    this.#describe();
  }

  redraw() {
    if (this.#data) this.#draw();
  }

  #draw() {
    if (!this.#data) return;
    const { layers, experts } = this.#data;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.floor(Math.max(1, this.#canvas.parentElement.clientWidth - AXIS_PX) * ratio);
    // Cells are higher than wide, and the image at most so high. Whole pixels: a cell may have one more than the next.
    const row = Math.max(2, Math.round(Math.min((width / experts) * 2, (MOST_HEIGHT_PX * ratio) / layers)));
    const height = row * layers;
    if (this.#canvas.width !== width || this.#canvas.height !== height)
      [this.#canvas.width, this.#canvas.height] = [width, height];
    this.#canvas.style.setProperty("width", `${width / ratio}px`);
    this.#canvas.style.setProperty("height", `${height / ratio}px`);
    this.#edges.x = Array.from({ length: experts + 1 }, (_, e) => Math.round((e * width) / experts));
    this.#edges.y = Array.from({ length: layers + 1 }, (_, l) => l * row);
    const context = this.#canvas.getContext("2d");
    const image = context.createImageData(width, height);
    this.#paint(image.data, width);
    context.putImageData(image, 0, 0);
    this.#drawCursor(context, ratio);
  }

  #paint(pixels, width) {
    const { layers, experts, owners, counts, most } = this.#data;
    const { x: columns, y: rows } = this.#edges;
    const gapX = columns[1] - columns[0] >= 5 ? 1 : 0;
    const gapY = rows[1] - rows[0] >= 4 ? 1 : 0;
    const tables = new Map();
    const coldest = this.mode === "both" ? 0.22 : 0;
    const tableOf = (o) => {
      if (!tables.has(o))
        tables.set(o, heatColors(nodeColor(this.mode === "heat" ? HERE : o, this.#theme), this.#theme, coldest, STEPS));
      return tables.get(o);
    };
    const nobody = toRgb(nodeColor(NOBODY, this.#theme));
    const empty = emptyColor(this.#theme);
    for (let l = 0; l < layers; ++l)
      for (let e = 0; e < experts; ++e) {
        const at = l * experts + e;
        const all = owners.groups[owners.at[at]];
        const level = Math.round((this.mode === "owner" ? 1 : heatLevel(counts[at] ?? 0, most)) * (STEPS - 1));
        const height = rows[l + 1] - gapY - rows[l];
        for (let y = 0; y < height; ++y) {
          // Several owners share a cell's height.
          const color = all.length === 0 ? nobody : tableOf(all[Math.floor((y * all.length) / height)])[level];
          for (let x = columns[e]; x < columns[e + 1] - gapX; ++x) {
            // What nobody has is hatched, not only red.
            const c = all.length === 0 && (x + rows[l] + y) % 4 < 2 ? empty : color;
            const i = 4 * ((rows[l] + y) * width + x);
            [pixels[i], pixels[i + 1], pixels[i + 2], pixels[i + 3]] = [c[0], c[1], c[2], 255];
          }
        }
      }
  }

  #drawCursor(context, ratio) {
    if (!this.#cursor) return;
    context.strokeStyle = getComputedStyle(this.element).color;
    context.lineWidth = 2 * ratio;
    const { layer, expert } = this.#cursor;
    const { x, y } = this.#edges;
    context.strokeRect(
      x[expert] - ratio,
      y[layer] - ratio,
      x[expert + 1] - x[expert] + 2 * ratio,
      y[layer + 1] - y[layer] + 2 * ratio,
    );
  }

  #describe() {
    const { layers, experts, most, hottest, used, tokens } = this.#data;
    const heat =
      most > 0
        ? `In the last ${tokens} tokens ${used} of ${layers * experts} experts were used; most often expert ${hottest.expert} of layer ${hottest.layer}.`
        : "No expert was used yet.";
    this.#canvas.setAttribute(
      "aria-label",
      `Experts by owner and use: ${layers} layers of ${experts} experts. ${heat} Arrow keys read one expert at a time.`,
    );
    if (this.#cursor) this.#tell();
    else
      this.#readout.textContent =
        most > 0
          ? `${used.toLocaleString("en")} of ${(layers * experts).toLocaleString("en")} experts used in the last ${tokens} tokens`
          : "No tokens yet: experts light up as they are used";
  }

  #tell() {
    const { layer, expert } = this.#cursor;
    const { experts, owners, counts, tokens, names } = this.#data;
    const at = layer * experts + expert;
    const who = owners.groups[owners.at[at]].map((o) => (o === HERE ? hereName() : names[o])).join(", ");
    this.#readout.textContent = `Layer ${layer}, expert ${expert}: ${who || "nobody has it"}; used by ${counts[at] ?? 0} of ${tokens} tokens`;
  }

  #point(e) {
    if (!this.#data) return;
    const box = this.#canvas.getBoundingClientRect();
    const expert = Math.floor(((e.clientX - box.left) / box.width) * this.#data.experts);
    const layer = Math.floor(((e.clientY - box.top) / box.height) * this.#data.layers);
    this.#move(layer, expert);
  }

  #move(layer, expert) {
    const { layers, experts } = this.#data;
    this.#cursor = {
      layer: Math.min(Math.max(layer, 0), layers - 1),
      expert: Math.min(Math.max(expert, 0), experts - 1),
    };
    this.#draw();
    this.#tell();
  }

  #leave() {
    this.#cursor = null;
    if (!this.#data) return;
    this.#draw();
    this.#describe();
  }

  #key(e) {
    if (!this.#data) return;
    const step = {
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      PageUp: [-5, 0],
      PageDown: [5, 0],
      Home: [0, -1e6],
      End: [0, 1e6],
    }[e.key];
    if (!step) return;
    e.preventDefault();
    const { layer, expert } = this.#cursor ?? { layer: 0, expert: 0 };
    this.#move(this.#cursor ? layer + step[0] : layer, this.#cursor ? expert + step[1] : expert);
  }
}

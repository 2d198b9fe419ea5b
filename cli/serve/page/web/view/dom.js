// Makes nodes. Text becomes text nodes and nothing else: no function here reads markup.

import { splitHidden } from "../text/controls.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * h("button", {class: "x", on: {click}, ariaLabel: "…", hidden: true, title: "…"}, "text", node, null)
 * A property is an attribute, except `on`, `style` (custom properties) and those that are booleans.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (key === "on") for (const [type, f] of Object.entries(value)) element.addEventListener(type, f);
    else if (key === "style") for (const [name, v] of Object.entries(value)) element.style.setProperty(name, v);
    else if (typeof value === "boolean") element[key] = value;
    else
      element.setAttribute(
        key.replace(/^aria([A-Z])/, (_, c) => `aria-${c.toLowerCase()}`),
        value,
      );
  }
  element.append(...children.flat().filter((c) => c !== null && c !== undefined));
  return element;
}

/** Text in which nothing hides: control characters are shown as marks. */
export function visible(text) {
  return splitHidden(text).map((part) =>
    typeof part === "string"
      ? part
      : h("span", { class: "hidden-character", title: `hidden character ${part.name}` }, part.name),
  );
}

const PATHS = {
  plus: "M12 5v14M5 12h14",
  menu: "M4 6h16M4 12h16M4 18h16",
  close: "M6 6l12 12M18 6L6 18",
  send: "M12 19V5M5 12l7-7 7 7",
  stop: "M7 7h10v10H7z",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  check: "M5 13l4 4L19 7",
  edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  retry: "M20 11a8 8 0 1 0-2.3 5.7M20 5v6h-6",
  forward: "M5 5l8 7-8 7zM19 5v14",
  branch: "M6 4v16M6 8c0 4 3 6 7 6h5M15 11l3 3-3 3",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  down: "M12 5v14M5 12l7 7 7-7",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.5 1.5M17.5 17.5L19 19M5 19l1.5-1.5M17.5 6.5L19 5",
  moon: "M20 14.5A8 8 0 1 1 9.5 4a6.5 6.5 0 0 0 10.5 10.5z",
  nodes:
    "M12 4a2 2 0 1 0 0 4 2 2 0 0 0 0-4M5 16a2 2 0 1 0 0 4 2 2 0 0 0 0-4M19 16a2 2 0 1 0 0 4 2 2 0 0 0 0-4M11 8l-5 8M13 8l5 8M7 18h10",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14M16 16l4.5 4.5",
  download: "M12 4v11M7 10l5 5 5-5M5 20h14",
  upload: "M12 16V5M7 10l5-5 5 5M5 20h14",
  think: "M9 18h6M10 21h4M12 3a6 6 0 0 0-4 10.5c.7.7 1 1.500 1 2.500h6c0-1 .3-1.800 1-2.500A6 6 0 0 0 12 3z",
  wide: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  narrow: "M9 4v5H4M15 4v5h5M9 20v-5H4M15 20v-5h5",
  info: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 11v5M12 7.500v.5",
  shield: "M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6z",
  alert: "M12 4l9 16H3zM12 10v4M12 17v.5",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** A button with an icon; `label` is read aloud and shown as a hint. */
export function iconButton(name, label, click, more = {}) {
  return h(
    "button",
    { type: "button", class: "icon-button", ariaLabel: label, title: label, ...more, on: { click } },
    icon(name),
  );
}

export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without https there is no clipboard API, except on this machine itself.
    const area = h("textarea", { class: "visually-hidden", ariaHidden: "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** A button that copies what `text()` gives, and shows for a moment that it has. */
export function copyButton(label, text) {
  const button = iconButton("copy", label, async () => {
    const done = await copyText(text());
    button.replaceChildren(icon(done ? "check" : "alert"));
    announce(done ? "Copied" : "The browser did not allow copying");
    setTimeout(() => button.replaceChildren(icon("copy")), 1500);
  });
  return button;
}

/** Says something to screen readers. */
export function announce(text) {
  const region = document.getElementById("announcer");
  // The same words twice are read twice only if the node is another one.
  region?.replaceChildren(h("span", {}, text));
}

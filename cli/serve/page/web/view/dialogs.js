// The page's dialogs: settings, what is kept in this browser, the key, keyboard, and what this program is.

import { exportText, importText } from "../store/transfer.js";
import { SETTINGS, problemOf } from "../store/settings.js";
import { plural } from "../text/format.js";
import { h, iconButton } from "./dom.js";

export function dialog(title, ...children) {
  const id = `dialog-${title.toLowerCase().replace(/\W+/g, "-")}`;
  const element = h("dialog", {
    class: "dialog",
    ariaLabelledby: id,
    on: {
      click: (e) => {
        if (e.target === element) element.close(); // beside it
      },
      close: () => element.remove(),
    },
  });
  element.append(
    h(
      "div",
      { class: "dialog-body" },
      h(
        "header",
        {},
        h("h2", { id }, title),
        iconButton("close", "Close", () => element.close()),
      ),
      ...children,
    ),
  );
  document.body.append(element);
  element.showModal();
  return element;
}

export function settingsDialog(chat, preferences, model) {
  const inputs = new Map();
  const current = chat.shown.settings;
  const fields = SETTINGS.map((s) => {
    const id = `setting-${s.key}`;
    const input = inputOf(s, id, current[s.key], model?.defaults?.[s.key]);
    inputs.set(s, input);
    const wide = s.kind === "text" || s.kind === "lines";
    return h(
      "div",
      { class: wide ? "field wide" : "field" },
      h("label", { for: id }, s.label, s.unit ? h("span", { class: "unit" }, ` (${s.unit})`) : null),
      input,
      h("p", { class: "hint", id: `${id}-help` }, s.help),
    );
  });
  const problem = h("p", { class: "problem", role: "alert" });
  const read = () => {
    const out = {};
    for (const [s, input] of inputs) {
      const value = valueOf(s, input);
      if (value === undefined) continue;
      const wrong = problemOf(s, value);
      input.toggleAttribute("aria-invalid", wrong !== "");
      if (wrong !== "") {
        problem.textContent = `${s.label} ${wrong}.`;
        input.focus();
        return null;
      }
      out[s.key] = value;
    }
    return out;
  };
  const save = (alsoLater) => {
    const settings = read();
    if (settings === null) return;
    if (alsoLater) preferences.settings = settings;
    chat.useSettings(settings);
    element.close();
  };
  const reset = () => {
    for (const [, input] of inputs) input.value = "";
  };
  const element = dialog(
    "Settings",
    h("p", { class: "hint" }, "For this conversation. What is left empty is as the model has it."),
    h(
      "form",
      {
        class: "fields",
        novalidate: "",
        on: {
          submit: (e) => {
            e.preventDefault();
            save(false);
          },
        },
      },
      fields,
      problem,
      h(
        "div",
        { class: "dialog-buttons" },
        h("button", { type: "button", class: "link-button", on: { click: reset } }, "Clear all"),
        h("button", { type: "button", class: "button", on: { click: () => save(true) } }, "Save for new chats, too"),
        h("button", { type: "submit", class: "button primary" }, "Save"),
      ),
    ),
  );
}

function inputOf(s, id, value, modelDefault) {
  const common = { id, ariaDescribedby: `${id}-help` };
  if (s.kind === "text" || s.kind === "lines") {
    const area = h("textarea", { ...common, rows: s.kind === "text" ? "4" : "2", dir: "auto" });
    area.value = s.kind === "lines" ? (value ?? []).join("\n") : (value ?? "");
    return area;
  }
  if (s.kind === "choice") {
    const select = h(
      "select",
      common,
      s.choices.map(([v, label]) => h("option", { value: v }, label)),
    );
    select.value = value ?? "";
    return select;
  }
  const input = h("input", {
    ...common,
    type: "number",
    min: String(s.least),
    max: String(s.most),
    step: s.kind === "integer" ? "1" : "any",
    inputmode: s.kind === "integer" ? "numeric" : "decimal",
    placeholder: modelDefault === undefined ? "" : String(Number(modelDefault.toPrecision(6))),
  });
  input.value = value === undefined ? "" : String(value);
  return input;
}

function valueOf(s, input) {
  if (s.kind === "lines") {
    const lines = input.value.split("\n").filter((l) => l !== "");
    return lines.length === 0 ? undefined : lines;
  }
  if (input.value === "") return input.validity?.badInput ? Number.NaN : undefined;
  return s.kind === "integer" || s.kind === "number" ? Number(input.value) : input.value;
}

export function dataDialog(chat, isKept) {
  const result = h("p", { role: "status" });
  const file = h("input", {
    type: "file",
    accept: "application/json,.json",
    class: "visually-hidden",
    id: "import-file",
    on: { change: () => take() },
  });
  const take = async () => {
    const [chosen] = file.files;
    if (chosen === undefined) return;
    try {
      const { conversations, skipped } = importText(await chosen.text());
      const added = await chat.add(conversations);
      result.textContent = `${plural(added, "conversation")} added${conversations.length > added ? `, ${conversations.length - added} were here already` : ""}${skipped.length > 0 ? `; ${skipped.length} could not be read (${skipped[0]})` : ""}.`;
    } catch (error) {
      result.textContent = error.message;
    }
    file.value = "";
  };
  const save = async () => {
    const all = await chat.all();
    const url = URL.createObjectURL(new Blob([exportText(all)], { type: "application/json" }));
    const link = h("a", { href: url, download: `larql-conversations-${new Date().toISOString().slice(0, 10)}.json` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    result.textContent = `${plural(all.length, "conversation")} exported.`;
  };
  const remove = (e) => {
    const button = e.currentTarget;
    if (!button.classList.contains("is-armed")) {
      button.classList.add("is-armed");
      button.textContent = `Delete ${plural(chat.heads.length, "conversation")} for good`;
      return;
    }
    chat.removeAll();
    element.close();
  };
  const element = dialog(
    "Your conversations",
    h(
      "p",
      {},
      isKept
        ? "They are kept in this browser, on this device, and nowhere else. The server keeps no conversation."
        : "This browser keeps nothing for this page: conversations are gone when the page is closed. Export what you want to keep.",
    ),
    h(
      "div",
      { class: "data-buttons" },
      h("button", { type: "button", class: "button", on: { click: save } }, "Export all"),
      h("button", { type: "button", class: "button", on: { click: () => file.click() } }, "Import…"),
      file,
      h(
        "button",
        { type: "button", class: "button danger", disabled: chat.heads.length === 0, on: { click: remove } },
        "Delete all…",
      ),
    ),
    result,
  );
}

/** Resolves when a key was given or the dialog was closed. */
export function keyDialog(preferences, { wasRefused }) {
  return new Promise((resolve) => {
    const input = h("input", { type: "password", id: "api-key", autocomplete: "current-password", required: true });
    const keep = h("input", { type: "checkbox", id: "keep-key", checked: preferences.isKeyKept });
    const element = dialog(
      "This server needs a key",
      h(
        "form",
        {
          class: "fields",
          on: {
            submit: (e) => {
              e.preventDefault();
              preferences.setKey(input.value.trim(), keep.checked);
              element.close();
            },
          },
        },
        wasRefused
          ? h("p", { class: "problem", role: "alert" }, "The server does not know the key that was used.")
          : h("p", { class: "hint" }, "Whoever runs the server has it: a line of the file given as --api-key-file."),
        h("div", { class: "field wide" }, h("label", { for: "api-key" }, "API key"), input),
        h("label", { class: "check" }, keep, " Remember it on this device"),
        h("div", { class: "dialog-buttons" }, h("button", { type: "submit", class: "button primary" }, "Use this key")),
      ),
    );
    element.addEventListener("close", () => resolve());
    input.focus();
  });
}

const SHORTCUTS = [
  ["Enter", "Send"],
  ["Shift + Enter", "New line"],
  ["Escape", "Stop the answer"],
  ["↑ in an empty field", "Edit the last question"],
  ["Alt + W", "Write"],
  ["Alt + N", "New chat"],
  ["Alt + L", "List of conversations"],
  ["Alt + C", "Show or hide the cluster"],
  ["Alt + S", "Settings"],
  ["Alt + H", "This list"],
];

export function helpDialog(version) {
  dialog(
    "Keyboard and about",
    h(
      "table",
      { class: "shortcuts" },
      h(
        "tbody",
        {},
        SHORTCUTS.map(([key, what]) => h("tr", {}, h("th", { scope: "row" }, h("kbd", {}, key)), h("td", {}, what))),
      ),
    ),
    h(
      "p",
      { class: "hint" },
      `larql ${version ?? ""} is free software under the Apache License 2.0; this page is part of it and contains no code of others.`,
    ),
  );
}

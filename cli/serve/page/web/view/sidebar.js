// The list of conversations: find, open, rename, delete.

import { dayGroup } from "../text/format.js";
import { h, icon, iconButton, visible } from "./dom.js";

export class Sidebar {
  element;
  #chat;
  #list = h("div", { class: "conversations" });
  #search;
  #onOpen;

  constructor(chat, { onOpen, onData, onHelp, note }) {
    this.#chat = chat;
    this.#onOpen = onOpen;
    this.#search = h("input", {
      type: "search",
      placeholder: "Find a conversation",
      ariaLabel: "Find a conversation",
      on: { input: () => this.#draw() },
    });
    this.element = h(
      "nav",
      { class: "sidebar", id: "sidebar", ariaLabel: "Conversations" },
      h(
        "div",
        { class: "sidebar-top" },
        h("span", { class: "brand" }, "larql"),
        h(
          "button",
          { type: "button", class: "button new", on: { click: () => this.#new() } },
          icon("plus"),
          "New chat",
        ),
      ),
      h("label", { class: "search" }, icon("search"), this.#search),
      this.#list,
      h(
        "div",
        { class: "sidebar-bottom" },
        h("span", { class: "hint" }, note),
        h("button", { type: "button", class: "link-button", on: { click: onData } }, "Export, import, delete…"),
        h("button", { type: "button", class: "link-button", on: { click: onHelp } }, "Keyboard and about"),
      ),
    );
    chat.addEventListener("list", () => this.#draw());
    this.#draw();
  }

  #new() {
    this.#chat.newConversation();
    this.#onOpen();
  }

  #draw() {
    if (this.#list.querySelector(".rename") !== null) return; // drawn when the new title is there
    const focused = this.#list.contains(document.activeElement)
      ? document.activeElement.closest("[data-id]")?.dataset.id
      : null;
    const words = this.#search.value.trim().toLowerCase();
    const heads = this.#chat.heads.filter((c) => c.title.toLowerCase().includes(words));
    const groups = [];
    let group = null;
    for (const head of heads) {
      const name = dayGroup(head.updated);
      if (name !== group?.name) groups.push((group = { name, items: [] }));
      group.items.push(this.#item(head));
    }
    this.#list.replaceChildren(
      ...groups.map(({ name, items }) => h("section", { ariaLabel: name }, h("h2", {}, name), h("ul", {}, items))),
      ...(heads.length > 0
        ? []
        : [
            h(
              "p",
              { class: "hint empty" },
              words === "" ? "Conversations will be listed here." : "None has this in its title.",
            ),
          ]),
    );
    if (focused) this.#list.querySelector(`[data-id="${focused}"] button`)?.focus();
  }

  #item(head) {
    const isShown = head.id === this.#chat.shown.id;
    const open = h(
      "button",
      {
        type: "button",
        class: "conversation",
        ...(isShown ? { ariaCurrent: "page" } : {}),
        title: head.title,
        on: {
          click: async () => {
            await this.#chat.open(head.id);
            this.#onOpen();
          },
        },
      },
      head.isAnswering ? h("span", { class: "answering-dot", role: "img", ariaLabel: "answering" }) : null,
      h("span", { class: "conversation-title", dir: "auto" }, visible(head.title || "Untitled")),
    );
    return h(
      "li",
      { "data-id": head.id, class: isShown ? "is-shown" : "" },
      open,
      h(
        "span",
        { class: "item-actions" },
        iconButton("edit", `Rename ${head.title}`, () => this.#rename(head)),
        iconButton("trash", `Delete ${head.title}`, (e) => this.#delete(head, e.currentTarget)),
      ),
    );
  }

  #rename(head) {
    const item = this.#list.querySelector(`[data-id="${head.id}"]`);
    let isDone = false;
    const end = (save) => {
      if (isDone) return;
      isDone = true;
      const title = input.value.trim();
      item.replaceChildren();
      if (save && title !== "") this.#chat.rename(head.id, title);
      this.#draw();
    };
    const input = h("input", {
      type: "text",
      class: "rename",
      ariaLabel: "Title",
      maxlength: "200",
      on: {
        blur: () => end(true),
        keydown: (e) => {
          if (e.key !== "Enter" && e.key !== "Escape") return;
          e.stopPropagation();
          end(e.key === "Enter");
        },
      },
    });
    input.value = head.title;
    item.replaceChildren(input);
    input.select();
  }

  // The second press deletes.
  #delete(head, button) {
    if (button.classList.contains("is-armed")) {
      this.#chat.remove(head.id);
      return;
    }
    button.classList.add("is-armed");
    button.setAttribute("aria-label", `Delete ${head.title} for good?`);
    button.replaceChildren("Delete?");
    const disarm = () => {
      button.classList.remove("is-armed");
      button.setAttribute("aria-label", `Delete ${head.title}`);
      button.replaceChildren(icon("trash"));
    };
    button.addEventListener("blur", disarm, { once: true });
    setTimeout(disarm, 4000);
  }
}

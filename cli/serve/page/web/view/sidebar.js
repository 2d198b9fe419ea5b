// The list of conversations: find, open, rename, delete.

import { dayGroup } from "../text/format.js";
import { h, icon, iconButton, visible } from "./dom.js";

export class Sidebar {
  element;
  #chat;
  #list = h("div", { class: "conversations" });
  #search;
  #onOpen;
  #drawn = "";
  #armed = null; // the conversation whose next press on the bin deletes it

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
    const words = this.#search.value.trim().toLowerCase();
    const heads = this.#chat.heads.filter((c) => c.title.toLowerCase().includes(words));
    // An answer that grows, here or in another tab, changes nothing that is seen, and must not take
    // a button from under the pointer.
    const seen = JSON.stringify([
      words === "",
      this.#armed,
      this.#chat.shown.id,
      heads.map((c) => [c.id, c.title, dayGroup(c.updated), c.isAnswering === true]),
    ]);
    if (seen === this.#drawn) return;
    this.#drawn = seen;
    const active = this.#list.contains(document.activeElement) ? document.activeElement : null;
    const item = active?.closest("[data-id]");
    const place = item ? [...item.querySelectorAll("button")].indexOf(active) : -1;
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
    if (place < 0) return;
    const again = this.#list.querySelectorAll(`[data-id="${item.dataset.id}"] button`);
    again[0]?.focus(); // the others are shown in an item that has the focus
    again[place]?.focus();
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
        this.#bin(head),
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
      this.#drawn = "";
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
  #bin(head) {
    const isArmed = this.#armed === head.id;
    const bin = iconButton("trash", `Delete ${head.title}${isArmed ? " for good?" : ""}`, () => this.#delete(head));
    if (isArmed) {
      bin.classList.add("is-armed");
      bin.replaceChildren("Delete?");
    }
    return bin;
  }

  #delete(head) {
    if (this.#armed === head.id) {
      this.#armed = null;
      this.#chat.remove(head.id);
      return;
    }
    this.#armed = head.id;
    this.#draw();
    setTimeout(() => {
      if (this.#armed !== head.id) return;
      this.#armed = null;
      this.#draw();
    }, 4000);
  }
}

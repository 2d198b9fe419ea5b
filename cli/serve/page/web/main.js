// Puts the page together.

import { Chat } from "./chat.js";
import { ownersOf, summaryOf } from "./cluster/picture.js";
import { ClusterView } from "./cluster/view.js";
import { ClusterWatch } from "./cluster/watch.js";
import { Server } from "./server.js";
import { openDatabase } from "./store/database.js";
import { Preferences } from "./store/preferences.js";
import { formatRate, plural } from "./text/format.js";
import { hereName } from "./text/place.js";
import { Composer } from "./view/composer.js";
import { dataDialog, helpDialog, keyDialog, settingsDialog } from "./view/dialogs.js";
import { h, icon, iconButton, visible } from "./view/dom.js";
import { Sidebar } from "./view/sidebar.js";
import { Transcript } from "./view/transcript.js";
import { WelcomeView } from "./view/welcome.js";

const root = document.documentElement;
const narrow = matchMedia("(max-width: 1099px)");
const darkSystem = matchMedia("(prefers-color-scheme: dark)");

function storeOf(name) {
  try {
    return window[name];
  } catch {
    return undefined; // switched off
  }
}

class Page {
  #preferences = new Preferences(storeOf("localStorage"), storeOf("sessionStorage"));
  #server = new Server(this.#preferences);
  #watch = new ClusterWatch(this.#server);
  #problems = h("div", { class: "problems", role: "alert" });
  #isAskingKey = false;

  async start() {
    const id = idInAddress();
    this.#useTheme();
    darkSystem.addEventListener("change", () => this.#useTheme());
    const database = await openDatabase();
    this.chat = new Chat(this.#server, database, this.#preferences);
    this.#build(database.isKept);
    this.#listen();
    this.#watch.start(() => this.#isClusterShown || this.chat.isAnswering);
    await this.chat.start(id);
    if (!matchMedia("(pointer: coarse)").matches) this.composer.focus();
    root.dataset.ready = "true";
  }

  // ---- parts --------------------------------------------------------------------------------------------------------

  #build(isKept) {
    const { chat } = this;
    this.cluster = new ClusterView(this.#watch, {
      onClose: () => this.#showCluster(false),
      onWide: () => this.#widen(),
    });
    this.welcome = new WelcomeView({
      onSuggest: (text) => this.composer.suggest(text),
      onCluster: () => this.#showCluster(true),
    });
    this.sidebar = new Sidebar(chat, {
      onOpen: () => this.#hideSidebar(),
      onData: () => dataDialog(chat, isKept),
      onHelp: () => this.#openHelp(),
      note: isKept ? "Kept in this browser only" : "Not kept: this browser stores nothing",
    });
    const scroller = h("div", { class: "scroller" });
    this.composer = new Composer(chat, { onEditLast: () => this.transcript.editLast() });
    this.transcript = new Transcript(chat, scroller, this.welcome.element);
    this.title = h("span", { class: "title", dir: "auto" });
    this.pill = h(
      "button",
      {
        type: "button",
        class: "pill",
        ariaControls: "cluster",
        ariaExpanded: "false",
        title: "Cluster (Alt+C)",
        on: { click: () => this.#showCluster(!this.#isClusterShown) },
      },
      icon("nodes"),
      h("span", { class: "pill-text" }, "…"),
    );
    this.themeButton = iconButton("moon", "Dark", () => this.#toggleTheme());
    const head = h(
      "header",
      { class: "head" },
      iconButton("menu", "Conversations (Alt+L)", () => this.#toggleList(), {
        class: "icon-button menu",
        ariaControls: "sidebar",
      }),
      this.title,
      this.pill,
      iconButton("settings", "Settings (Alt+S)", () => this.#openSettings()),
      this.themeButton,
    );
    const main = h(
      "main",
      { class: "chat", id: "chat", tabindex: "-1" },
      head,
      scroller,
      h("div", { class: "composer-place" }, this.#problems, this.composer.element),
    );
    const shade = h("div", { class: "shade", on: { click: () => this.#hideSidebar() } });
    document.getElementById("app").replaceChildren(this.sidebar.element, shade, main, this.cluster.element);
    if (this.#preferences.get("cluster") === "open" && !narrow.matches) this.#showCluster(true);
    this.#useTheme();
    this.#showWelcome();
  }

  #listen() {
    const { chat } = this;
    chat.addEventListener("shown", () => this.#showTitle());
    chat.addEventListener("list", () => this.#showTitle());
    chat.addEventListener("message", () => this.#askOften());
    chat.addEventListener("problem", ({ detail }) => this.#problem(detail.text));
    this.#watch.addEventListener("cluster", () => this.#showWelcome());
    this.#watch.addEventListener("away", ({ detail }) => this.#showWelcome(detail.error));
    this.#server.addEventListener("key", ({ detail }) => this.#askKey(detail.hadKey));
    addEventListener("keydown", (e) => this.#key(e));
    addEventListener("hashchange", () => {
      const id = idInAddress();
      if (id !== null && id !== chat.shown.id) chat.open(id);
    });
    addEventListener("pagehide", () => chat.saveNow());
    addEventListener("resize", () => this.cluster.draw());
    this.#showTitle();
  }

  #showTitle() {
    const { shown, heads } = this.chat;
    this.title.replaceChildren(...visible(shown.title || "New chat"));
    document.title = shown.title ? `${shown.title} – larql` : "larql";
    if (heads.some((c) => c.id === shown.id)) history.replaceState(null, "", `#c=${shown.id}`);
    else if (location.hash !== "") history.replaceState(null, "", location.pathname + location.search);
  }

  #showWelcome(error) {
    const { cluster } = this.#watch;
    const why = !error
      ? "Asking the server…"
      : error.status === 503
        ? "The model is being loaded. This page goes on by itself."
        : error.status === 401
          ? "This server needs a key."
          : error.status
            ? error.message
            : "The server cannot be reached. Trying again…";
    this.welcome.show(error?.status === undefined ? cluster : null, why);
    this.#showPill(error, cluster);
  }

  #showPill(error, cluster) {
    const text = this.pill.querySelector(".pill-text");
    if (error) {
      this.pill.className = error.status === 503 ? "pill warning" : "pill error";
      text.textContent = error.status === 503 ? "loading" : error.status === 401 ? "key needed" : "no server";
      return;
    }
    if (!cluster) return;
    this.pill.className = `pill ${summaryOf(cluster, ownersOf(cluster)).level}`;
    const serving = cluster.nodes.filter((n) => n.state === "serving").length;
    const isAnswering = this.cluster.rates.answer > 0.05;
    const { answer } = this.cluster.speeds;
    const place =
      cluster.nodes.length === 0
        ? hereName()
        : serving === cluster.nodes.length
          ? plural(serving, "node")
          : `${serving} of ${cluster.nodes.length} nodes`;
    if (isAnswering && answer > 0)
      text.replaceChildren(h("span", { class: "pill-place" }, `${place} · `), `${formatRate(answer)} tokens/s`);
    else text.textContent = place;
  }

  #wasAnswering = false;
  #askOften() {
    const { isAnswering } = this.chat;
    if (isAnswering && !this.#wasAnswering) this.#watch.ask();
    this.#wasAnswering = isAnswering;
  }

  #problem(text) {
    const note = h(
      "div",
      { class: "notice error" },
      icon("alert"),
      h("span", {}, visible(text)),
      iconButton("close", "Dismiss", () => note.remove()),
    );
    this.#problems.replaceChildren(note);
  }

  // ---- panels -------------------------------------------------------------------------------------------------------

  get #isClusterShown() {
    return document.body.classList.contains("with-cluster");
  }

  #showCluster(is) {
    document.body.classList.toggle("with-cluster", is);
    this.pill.setAttribute("aria-expanded", String(is));
    if (!is) document.body.classList.remove("wide-cluster");
    this.#preferences.set("cluster", is ? "open" : "closed");
    if (!is) return;
    this.cluster.draw();
    this.#watch.ask();
  }

  #widen() {
    document.body.classList.toggle("wide-cluster");
    this.cluster.draw();
  }

  /** Over the chat, where there is no room beside it. */
  #hideSidebar() {
    document.body.classList.remove("with-sidebar");
  }

  #openSettings() {
    const { cluster } = this.#watch;
    settingsDialog(this.chat, this.#preferences, cluster?.model);
  }

  #openHelp() {
    helpDialog(this.#watch.cluster?.version);
  }

  async #askKey(hadKey) {
    if (this.#isAskingKey) return;
    this.#isAskingKey = true;
    await keyDialog(this.#preferences, { wasRefused: hadKey });
    this.#isAskingKey = false;
    this.#watch.ask();
  }

  // ---- theme and keyboard -------------------------------------------------------------------------------------------

  #useTheme() {
    const chosen = this.#preferences.get("theme");
    const isDark = chosen === "dark" || (chosen !== "light" && darkSystem.matches);
    root.dataset.theme = isDark ? "dark" : "light";
    document.querySelector('meta[name="theme-color"]')?.setAttribute("content", isDark ? "#141517" : "#fbfaf8");
    if (!this.themeButton) return;
    this.themeButton.replaceChildren(icon(isDark ? "sun" : "moon"));
    for (const name of ["aria-label", "title"])
      this.themeButton.setAttribute(name, isDark ? "Light theme" : "Dark theme");
    this.cluster.draw();
  }

  #toggleTheme() {
    const next = root.dataset.theme === "dark" ? "light" : "dark";
    // What the system says is followed as long as nobody chooses something else.
    this.#preferences.set("theme", (next === "dark") === darkSystem.matches ? "system" : next);
    this.#useTheme();
  }

  #key(e) {
    if (e.key === "Escape" && document.querySelector("dialog[open]") === null) {
      if (this.chat.isAnswering) this.chat.stop();
      else if (document.body.classList.contains("with-sidebar")) this.#hideSidebar();
      return;
    }
    if (!e.altKey || e.ctrlKey || e.metaKey) return;
    const todo = {
      KeyW: () => this.composer.focus(),
      KeyN: () => this.chat.newConversation(),
      KeyL: () => this.#toggleList(),
      KeyC: () => this.#showCluster(!this.#isClusterShown),
      KeyS: () => this.#openSettings(),
      KeyH: () => this.#openHelp(),
    }[e.code];
    if (!todo || document.querySelector("dialog[open]") !== null) return;
    e.preventDefault();
    todo();
  }

  #toggleList() {
    document.body.classList.toggle(narrow.matches ? "with-sidebar" : "without-sidebar");
  }
}

function idInAddress() {
  return /^#c=([0-9a-f]{32})$/.exec(location.hash)?.[1] ?? null;
}

new Page().start();

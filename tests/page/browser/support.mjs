// Chromium, a made-up server, and what the browser tests have in common.

import { createRequire } from "node:module";
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before } from "node:test";

import { FakeServer } from "../fake_server.mjs";

// Installed outside of the sources (run.sh).
const require = createRequire(`${process.env.LARQL_PAGE_MODULES}/`);
const { chromium } = require("playwright-core");
const CHROMIUM =
  process.env.LARQL_CHROMIUM ??
  ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

let browser;
before(async () => {
  // Tests run as root in containers, where chromium's sandbox cannot.
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
});
after(() => browser?.close());

export const PATIENCE = 15_000;

/** Runs `f({page, context})` and checks that the page asked nobody but its server and complained of nothing. */
export async function withBrowser({ url, mayComplain = false, ...options }, f) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  const problems = [];
  const foreign = [];
  context.on("request", (r) => {
    if (!r.url().startsWith(url) && !r.url().startsWith("blob:")) foreign.push(r.url());
  });
  context.on("page", (page) => {
    page.on("pageerror", (e) => problems.push(e.stack));
    page.on("console", (m) => {
      // A refused or a broken request is told by the browser itself.
      if (m.type() === "error" && !/Failed to load resource|net::ERR/.test(m.text())) problems.push(m.text());
    });
  });
  try {
    await f({ page: await context.newPage(), context });
    assert.deepEqual(foreign, [], "requests to others");
    if (!mayComplain) assert.deepEqual(problems, [], "what the page complained of");
  } finally {
    await context.close();
  }
}

/** The same with a made-up server: `f({fake, page, context})`. */
export async function withPage({ fakeOptions, open = true, ...options }, f) {
  const fake = await FakeServer.start(fakeOptions);
  try {
    await withBrowser({ url: fake.url, ...options }, async ({ page, context }) => {
      if (open) await visit(page, fake);
      await f({ fake, page, context });
    });
  } finally {
    await fake.close();
  }
}

export async function visit(page, fake) {
  await page.goto(fake.url);
  await page.waitForSelector("html[data-ready]");
}

export async function ask(page, text) {
  await page.fill("#question", text);
  await page.press("#question", "Enter");
}

/** The nth answer, once it has ended. */
export async function answered(page, n = 1) {
  await page.waitForFunction((count) => {
    const all = document.querySelectorAll(".answer");
    return all.length === count && all[count - 1].getAttribute("aria-busy") === "false";
  }, n);
  return page.locator(".answer").nth(n - 1);
}

/** A text that is in the page by then. */
export async function sees(page, selector, pattern) {
  await page.waitForFunction(
    ([s, p]) => new RegExp(p).test(document.querySelector(s)?.textContent ?? ""),
    [selector, pattern.source],
  );
}

/** Events that come only when the test says so. */
export class Steps {
  #waiting = [];
  #open = 0;

  next(count = 1) {
    for (let i = 0; i < count; ++i) {
      const resolve = this.#waiting.shift();
      if (resolve) resolve();
      else ++this.#open;
    }
  }

  async wait() {
    if (this.#open > 0) --this.#open;
    else await new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** An answer whose events are let out one by one. */
  async *of(events) {
    for (const e of events) {
      await this.wait();
      yield e;
    }
  }
}

export const END = {
  end: {
    reason: "stop",
    seed: 1,
    usage: { prompt_tokens: 3, completion_tokens: 4 },
    timings: { predicted_ms: 100, nodes: 2, round_trips: 120 },
  },
};
export const text = (t) => ({ text: t });
export const thought = (t) => ({ thought: t });

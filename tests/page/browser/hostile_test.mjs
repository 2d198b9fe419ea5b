import assert from "node:assert/strict";
import test from "node:test";

import { HOSTILE, giantTable, longText } from "../samples.mjs";
import { answered, ask, sees, withPage } from "./support.mjs";

/** The longest time for which the page could not have answered to a key, while `f` runs. */
async function longestPause(page, f) {
  await page.evaluate(() => {
    window.longest = 0;
    let last = performance.now();
    window.beat = setInterval(() => {
      const now = performance.now();
      window.longest = Math.max(window.longest, now - last);
      last = now;
    }, 10);
  });
  await f();
  return page.evaluate(() => {
    clearInterval(window.beat);
    return window.longest;
  });
}

const forbidden =
  "script, img, iframe, style, object, embed, svg:not(.icon), [onerror], [onload], [onmouseover], [srcdoc], a[href^='javascript'], a[href^='data']";

test("what the model or a person writes never becomes markup, runs nothing and loads nothing", () =>
  withPage({}, async ({ fake, page }) => {
    fake.answer = () => ({ text: HOSTILE, thoughts: HOSTILE });
    await ask(page, HOSTILE);
    const answer = await answered(page);
    await answer.locator(".thoughts summary").click();
    await page.waitForTimeout(300);
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.deepEqual(
      await page
        .locator(`.messages`)
        .locator(forbidden)
        .evaluateAll((all) => all.map((e) => e.outerHTML)),
      [],
    );
    assert.match(await answer.innerText(), /<script>window\.hacked = 1<\/script>/);
    // Escape sequences and reversed text are shown, not obeyed.
    const hidden = await page.locator(".answer > .markdown .hidden-character").allInnerTexts();
    for (const name of ["ESC", "U+202E", "␀"]) assert.ok(hidden.includes(name), name);
    await page.reload();
    await answered(page);
    assert.equal(await page.evaluate(() => window.hacked), undefined);
  }));

test("names that the server tells of nodes and of the model are text as well", () =>
  withPage({ open: false }, async ({ fake, page }) => {
    const evil = '<img src=x onerror="window.hacked=1">\u202e';
    fake.cluster.model.name = evil;
    Object.assign(fake.cluster.nodes[0], { name: evil, address: evil, why: evil, state: "lost" });
    fake.cluster.event({
      kind: "lost",
      node: evil,
      why: evil,
      took_over: [{ node: evil, layers: [0, 1], experts: [0, 1] }],
      without_owner: 1,
    });
    await page.goto(fake.url);
    await page.waitForSelector("html[data-ready]");
    await page.keyboard.press("Alt+c");
    await sees(page, ".events", /<img src=x/);
    assert.deepEqual(
      await page
        .locator("#app")
        .locator(forbidden.replace("svg:not(.icon)", "svg:not(.icon, .sparkline)"))
        .evaluateAll((all) => all.map((e) => e.outerHTML)),
      [],
    );
    assert.equal(await page.evaluate(() => window.hacked), undefined);
  }));

test("the browser itself refuses markup, scripts and foreign servers", () =>
  withPage({ mayComplain: true }, async ({ page }) => {
    const refused = await page.evaluate(async () => {
      const out = [];
      const attempt = (name, f) => {
        try {
          f();
        } catch {
          out.push(name);
        }
      };
      attempt("innerHTML", () => {
        document.createElement("div").innerHTML = "<b>x</b>";
      });
      attempt("policy", () => trustedTypes.createPolicy("x", { createHTML: (x) => x }));
      attempt("text as code", () => setTimeout("window.hacked = 1"));
      await fetch("https://example.org/").catch(() => out.push("fetch"));
      const script = document.createElement("script");
      attempt("script", () => {
        script.src = "https://example.org/x.js";
      });
      return out;
    });
    assert.deepEqual(refused, ["innerHTML", "policy", "text as code", "fetch", "script"]);
  }));

test("a giant table is drawn, and the page can be used meanwhile", () =>
  withPage({}, async ({ fake, page }) => {
    fake.tokenMs = 0;
    const table = giantTable(1500, 12);
    fake.answer = async function* () {
      for (let i = 0; i < table.length; i += 2000) yield { text: table.slice(i, i + 2000) };
      yield { end: { reason: "stop" } };
    };
    const pause = await longestPause(page, async () => {
      await ask(page, "Table");
      await answered(page);
    });
    assert.equal(await page.locator(".answer tbody tr").count(), 1500);
    assert.ok(pause < 3000, `the page stood still for ${Math.round(pause)} ms`);
    assert.equal(
      await page.evaluate(
        () => document.querySelector(".chat").scrollWidth <= document.querySelector(".chat").clientWidth,
      ),
      true,
    );
  }));

test("100,000 characters stream in, and the page can be used meanwhile", () =>
  withPage({}, async ({ fake, page }) => {
    const long = longText(100_000);
    fake.answer = async function* () {
      for (let i = 0; i < long.length; i += 50) {
        if (i % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
        yield { text: long.slice(i, i + 50) };
      }
      yield { end: { reason: "stop" } };
    };
    const pause = await longestPause(page, async () => {
      await ask(page, "Long");
      await answered(page);
    });
    const shown = await page.locator(".answer > .markdown").innerText();
    const bare = (t) => t.replace(/[\s*]/g, "");
    assert.equal(bare(shown), bare(long));
    assert.ok(pause < 1500, `the page stood still for ${Math.round(pause)} ms`);
  }));

test("one paragraph and one line of code of 100,000 characters do not stop the page either", () =>
  withPage({}, async ({ fake, page }) => {
    for (const [i, prefix] of ["", "```js\n"].entries()) {
      fake.answer = async function* () {
        yield { text: prefix };
        for (let k = 0; k < 1000; ++k) {
          if (k % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
          yield { text: "let *x* = 1; ".repeat(8).slice(0, 100) };
        }
        yield { end: { reason: "stop" } };
      };
      const pause = await longestPause(page, async () => {
        await ask(page, "Long line");
        await answered(page, i + 1);
      });
      assert.ok(pause < 3000, `the page stood still for ${Math.round(pause)} ms`);
    }
  }));

test("a question of 100,000 characters is sent, folded, and unfolded", () =>
  withPage({}, async ({ fake, page }) => {
    const long = longText(100_000).trim();
    await ask(page, long);
    await answered(page);
    assert.equal(fake.requests[0].messages[0].content, long);
    const height = () => page.evaluate(() => document.querySelector(".question-text").clientHeight);
    assert.ok((await height()) < 500);
    await page.getByRole("button", { name: "Show all" }).click();
    assert.ok((await height()) > 2000);
  }));

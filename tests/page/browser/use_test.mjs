// Keyboard, screen readers, themes, phones.

import assert from "node:assert/strict";
import test from "node:test";

import { MARKDOWN, THOUGHTS, giantTable } from "../samples.mjs";
import { answered, ask, sees, withPage } from "./support.mjs";

test("everything that can be pressed has a name", () =>
  withPage({}, async ({ fake, page }) => {
    fake.answer = () => ({ text: MARKDOWN, thoughts: THOUGHTS, reason: "max_tokens" });
    await ask(page, "Explain");
    await answered(page);
    await page.keyboard.press("Alt+c");
    await sees(page, ".cluster-summary", /nodes/);
    await page.keyboard.press("Alt+s");
    const nameless = await page.evaluate(() => {
      const labelOf = (e) =>
        e.getAttribute("aria-label") ||
        (e.getAttribute("aria-labelledby") &&
          document.getElementById(e.getAttribute("aria-labelledby"))?.textContent) ||
        (e.labels?.[0]?.textContent ?? "") ||
        e.textContent.trim() ||
        e.title;
      return [
        ...document.querySelectorAll(
          "button, a, input:not([type=file]), textarea, select, summary, [tabindex='0'], dialog, [role=img], nav, aside, article",
        ),
      ]
        .filter((e) => !labelOf(e))
        .map((e) => e.outerHTML.slice(0, 120));
    });
    assert.deepEqual(nameless, []);
  }));

test("a screen reader is told what happens, not every word as it comes", () =>
  withPage({}, async ({ fake, page }) => {
    fake.answer = () => "Forty-two.";
    await page.evaluate(() => {
      window.said = [];
      new MutationObserver(() => window.said.push(document.getElementById("announcer").textContent)).observe(
        document.getElementById("announcer"),
        { childList: true },
      );
    });
    await ask(page, "The answer?");
    await answered(page);
    assert.deepEqual(await page.evaluate(() => window.said), [
      "Sent. The model is answering.",
      "Answer complete. Forty-two.",
    ]);
    assert.equal(await page.locator(".messages").getAttribute("aria-live"), "off");
  }));

test("the whole page can be used by keyboard", () =>
  withPage({}, async ({ page }) => {
    assert.equal(await page.evaluate(() => document.activeElement.id), "question");
    await page.focus(".skip");
    await page.keyboard.press("Enter");
    await page.keyboard.type("By keyboard");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("two lines");
    await page.keyboard.press("Enter");
    await answered(page);
    assert.match(await page.locator(".question-text").innerText(), /By keyboard\ntwo lines/);
    await page.keyboard.press("Alt+h");
    await page.waitForSelector("dialog[open] kbd");
    await page.keyboard.press("Escape");
    await page.waitForSelector("dialog", { state: "detached" });
    await page.keyboard.press("Alt+l");
    assert.equal(await page.isVisible("#sidebar"), false);
    await page.keyboard.press("Alt+l");
    await page.keyboard.press("Alt+w");
    assert.equal(await page.evaluate(() => document.activeElement.id), "question");
  }));

test("the theme follows the system until somebody chooses", () =>
  withPage({ colorScheme: "dark" }, async ({ page }) => {
    const is = (theme) => page.waitForSelector(`html[data-ready][data-theme=${theme}]`);
    await is("dark");
    await page.emulateMedia({ colorScheme: "light" });
    await is("light");
    await page.click("[aria-label='Dark theme']");
    await is("dark");
    await page.reload();
    await is("dark");
    await page.click("[aria-label='Light theme']");
    await page.emulateMedia({ colorScheme: "dark" });
    await is("dark");
  }));

test("text can be told from its ground in both themes", () =>
  withPage({}, async ({ page }) => {
    for (const scheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme: scheme });
      const bad = await page.evaluate(() => {
        const style = getComputedStyle(document.documentElement);
        const light = (name) => {
          const probe = document.createElement("canvas").getContext("2d");
          probe.fillStyle = style.getPropertyValue(name).trim();
          probe.fillRect(0, 0, 1, 1);
          const [r, g, b] = [...probe.getImageData(0, 0, 1, 1).data].map((c) =>
            c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4,
          );
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const pairs = [];
        for (const ground of ["--bg", "--surface", "--side", "--bubble", "--code"])
          for (const ink of ["--text", "--muted", "--accent", "--danger"]) pairs.push([ink, ground]);
        pairs.push(
          ["--on-accent", "--accent"],
          ["--ok", "--ok-soft"],
          ["--warning", "--warning-soft"],
          ["--danger", "--danger-soft"],
          ["--text", "--danger-soft"],
          ["--accent", "--accent-soft"],
        );
        return pairs
          .map(([a, b]) => {
            const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
            return [a, b, (x + 0.05) / (y + 0.05)];
          })
          .filter(([, , ratio]) => ratio < 4.5);
      });
      assert.deepEqual(bad, [], scheme);
    }
  }));

const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

test("a phone: nothing is wider than the screen, and all parts can be reached", () =>
  withPage(PHONE, async ({ fake, page }) => {
    const fits = () =>
      page.evaluate(
        () =>
          document.documentElement.scrollWidth <= innerWidth &&
          document.querySelector(".scroller").scrollWidth <= innerWidth,
      );
    await sees(page, ".welcome h1", /gemma/);
    assert.ok(await fits());
    fake.answer = () => ({ text: `${MARKDOWN}\n\n${giantTable(5, 20)}\n\n${"a".repeat(500)}` });
    await page.tap("#question");
    await page.keyboard.type("one");
    await page.keyboard.press("Enter");
    await page.keyboard.type("two");
    await page.tap(".send-button");
    await answered(page);
    assert.equal(fake.requests[0].messages[0].content, "one\ntwo");
    assert.ok(await fits());
    await page.tap(".pill");
    await sees(page, ".cluster-summary", /3 nodes/);
    assert.ok(await page.evaluate(() => document.querySelector(".cluster-body").scrollWidth <= innerWidth));
    await page.tap("[aria-label='Close the cluster view']");
    await page.tap(".menu");
    await page.waitForTimeout(300);
    await page.tap(".conversation");
    await page.waitForFunction(() => !document.body.classList.contains("with-sidebar"));
    await page.tap("[aria-label^=Settings]");
    assert.ok(await page.evaluate(() => document.querySelector(".dialog-body").scrollWidth <= innerWidth));
  }));

test("while an answer comes, whoever scrolls up stays there", () =>
  withPage({}, async ({ fake, page }) => {
    fake.answer = () => ({ text: "A line of text.\n\n".repeat(200) });
    fake.tokenMs = 2;
    await ask(page, "Long");
    await page.waitForFunction(() => document.querySelector(".scroller").scrollHeight > 1500);
    await page.mouse.move(600, 300);
    await page.mouse.wheel(0, -900);
    await page.waitForSelector(".to-end:not([hidden])");
    const top = await page.evaluate(() => document.querySelector(".scroller").scrollTop);
    await answered(page);
    assert.equal(await page.evaluate(() => document.querySelector(".scroller").scrollTop), top);
    await page.click(".to-end");
    await page.waitForSelector(".to-end", { state: "hidden" });
  }));

test("code is copied as it is", () =>
  withPage({ permissions: ["clipboard-read", "clipboard-write"] }, async ({ fake, page }) => {
    const code = "if (a < b) {\n\treturn `x`;\n}";
    fake.answer = () => `\`\`\`js\n${code}\n\`\`\``;
    await ask(page, "Code");
    await answered(page);
    await page.click("[aria-label='Copy code']");
    await sees(page, "#announcer", /Copied/);
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), code);
  }));

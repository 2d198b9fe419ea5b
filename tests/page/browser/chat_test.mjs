import assert from "node:assert/strict";
import test from "node:test";

import { MARKDOWN, THOUGHTS } from "../samples.mjs";
import { END, Steps, answered, ask, sees, text, thought, visit, withPage } from "./support.mjs";

test("an answer streams, is shown as Markdown with what it cost, and is there again after a reload", () =>
  withPage({}, async ({ fake, page }) => {
    const steps = new Steps();
    fake.answer = () => steps.of([text("A **bo"), text("ld** start.\n\n- one"), text("\n- two\n"), END]);
    await ask(page, "Hello there");
    steps.next();
    await sees(page, ".answer > .markdown", /A \*\*bo/);
    steps.next();
    await page.waitForSelector(".answer strong");
    assert.equal(await page.locator(".answer").getAttribute("aria-busy"), "true");
    steps.next(2);
    const answer = await answered(page);
    assert.deepEqual(await answer.locator("li").allTextContents(), ["one", "two"]);
    await answer.locator(".numbers summary").click();
    await sees(page, ".numbers", /120 round trips/);
    assert.equal(await page.title(), "Hello there – larql");
    assert.deepEqual(fake.requests[0].messages, [{ role: "user", content: "Hello there" }]);
    await page.reload();
    await sees(page, ".answer > .markdown", /bold start/);
    assert.equal(fake.requests.length, 1);
  }));

test("everything that models write is drawn", () =>
  withPage({}, async ({ fake, page }) => {
    fake.answer = () => ({ text: MARKDOWN, thoughts: THOUGHTS });
    await ask(page, "Explain");
    const answer = await answered(page);
    for (const selector of [
      "h5",
      "ol > li math",
      "math[display=block]",
      "table td.align-right",
      "figure.code .code-word",
      "blockquote",
      "li.task input:checked",
      "a[rel~=noopener]",
    ])
      assert.ok((await answer.locator(selector).count()) > 0, selector);
    assert.equal(await answer.locator(".thoughts").getAttribute("open"), null);
    await answer.locator(".thoughts summary").click();
    await sees(page, ".thoughts-body", /feed-forward block/);
  }));

test("an answer is stopped while the model thinks, and while it answers", () =>
  withPage({}, async ({ fake, page }) => {
    const steps = new Steps();
    fake.answer = () => steps.of([thought("Let me see"), thought(" more"), text("So"), text(" it"), END]);
    await ask(page, "One");
    steps.next();
    await sees(page, ".thoughts-title", /Thinking/);
    await page.click(".send-button[aria-label=Stop]");
    await sees(page, ".answer .notice", /Stopped before the answer began/);
    await page.waitForFunction(() => document.activeElement.id === "question");
    fake.answer = () => steps.of([text("So"), text(" it goes"), text(" on"), END]);
    await ask(page, "Two");
    steps.next(8);
    await page.waitForFunction(() => document.querySelectorAll(".answer")[1]?.textContent.includes("So"));
    await page.keyboard.press("Escape");
    await answered(page, 2);
    for (const a of fake.answers.values()) assert.ok(a.stopped || a.ended);
  }));

test("a server that is stopped is told at once", () =>
  withPage({}, async ({ fake, page }) => {
    fake.answer = () => new Steps().of([END]);
    await ask(page, "One");
    await page.waitForSelector(".send-button[aria-label=Stop]");
    await page.keyboard.press("Escape");
    await answered(page);
    const [answer] = fake.answers.values();
    await page.waitForTimeout(100);
    assert.equal(answer.stopped, true);
  }));

test("an answer goes on while its page is reloaded, and is taken up at its offset", () =>
  withPage({}, async ({ fake, page }) => {
    const steps = new Steps();
    fake.answer = () => steps.of([..."abcdefghij"].map(text).concat(END));
    await ask(page, "Count");
    steps.next(3);
    await sees(page, ".answer > .markdown", /^abc$/);
    await page.goto("about:blank");
    steps.next(3);
    await page.goBack();
    await sees(page, ".answer > .markdown", /^abcdef$/);
    steps.next(5);
    const answer = await answered(page);
    assert.equal(await answer.locator("> .markdown").innerText(), "abcdefghij");
    assert.equal(fake.requests.length, 1);
  }));

test("an answer that was left for too long is lost, and can be continued", () =>
  withPage({ fakeOptions: { keptMs: 50 } }, async ({ fake, page }) => {
    const steps = new Steps();
    fake.answer = () => steps.of([text("abc"), text("def"), END]);
    await ask(page, "Count");
    steps.next();
    await sees(page, ".answer > .markdown", /abc/);
    await page.waitForTimeout(1200); // saved within a second
    await page.goto("about:blank");
    await page.waitForTimeout(300);
    fake.answer = (body) => {
      assert.deepEqual(body.messages.at(-1), { role: "assistant", content: "abc" });
      return "defg";
    };
    await page.goBack();
    await sees(page, ".answer .notice", /rest of this answer is lost/);
    await page.click(".answer .notice .button");
    await page.waitForFunction(() => document.querySelector(".answer > .markdown").innerText === "abcdefg");
  }));

/** The steps of an answer of these words, of which the first, "one", has come. */
async function counting(fake, page, ...words) {
  const steps = new Steps();
  fake.answer = () => steps.of([...words.map((w) => text(w)), END]);
  await ask(page, "Count");
  steps.next();
  await sees(page, ".answer > .markdown", /one/);
  return steps;
}

test("a connection that breaks is made again without a word lost", () =>
  withPage({}, async ({ fake, page }) => {
    const steps = await counting(fake, page, "one ", "two ", "three");
    fake.cutConnections();
    steps.next(3);
    const answer = await answered(page);
    assert.equal(await answer.locator("> .markdown").innerText(), "one two three");
  }));

test("two tabs: both see an answer come, one reads it, and the other goes on when the first is closed", () =>
  withPage({}, async ({ fake, page, context }) => {
    const steps = await counting(fake, page, "one ", "two ", "three ", "four");
    const other = await context.newPage();
    await other.goto(page.url());
    await sees(other, ".answer > .markdown", /one/);
    steps.next();
    await sees(other, ".answer > .markdown", /one two/);
    const [answer] = fake.answers.values();
    assert.equal(answer.readers.size, 1);
    assert.equal(await other.locator(".send-button").getAttribute("aria-label"), "Stop");
    await page.close();
    steps.next(3);
    assert.equal(await (await answered(other)).locator("> .markdown").innerText(), "one two three four");
    assert.equal(fake.requests.length, 1);
  }));

test("two tabs: what one says the other shows, and each can say something of its own", () =>
  withPage({}, async ({ fake, page, context }) => {
    await ask(page, "First");
    await answered(page);
    const other = await context.newPage();
    await other.goto(page.url());
    await answered(other);
    await ask(other, "Second");
    await answered(other, 2);
    await answered(page, 2);
    assert.match(await page.locator(".question").nth(1).innerText(), /Second/);
    fake.answer = () => "In a new one.";
    await other.keyboard.press("Alt+n");
    await ask(other, "Elsewhere");
    await answered(other, 1);
    await page.waitForFunction(() => document.querySelectorAll(".conversation").length === 2);
    assert.equal(await page.locator(".answer").count(), 2);
  }));

test("questions are edited and answers made anew, as branches that stay", () =>
  withPage({}, async ({ fake, page }) => {
    fake.answer = (body, n) => `Answer ${n} to ${body.messages.at(-1).content}`;
    await ask(page, "a");
    await answered(page);
    await page.click(".answer [aria-label=Regenerate]");
    await sees(page, ".answer > .markdown", /Answer 2/);
    await answered(page);
    assert.equal(await page.locator(".answer .branches-count").innerText(), "2 of 2");
    await page.click(".answer [aria-label='Earlier version']");
    await sees(page, ".answer > .markdown", /Answer 1/);
    await page.press("#question", "ArrowUp");
    await page.fill(".edit-text", "b");
    await page.press(".edit-text", "Control+Enter");
    await sees(page, ".answer > .markdown", /Answer 3 to b/);
    assert.equal(await page.locator(".question .branches-count").innerText(), "2 of 2");
    await page.click(".question [aria-label='Earlier version']");
    await sees(page, ".answer > .markdown", /Answer 1 to a/);
    await page.reload();
    await sees(page, ".answer > .markdown", /Answer 1 to a/);
    await page.click(".answer [aria-label^='Go on from here']");
    await page.waitForFunction(() => document.querySelectorAll(".conversation").length === 2);
    await ask(page, "c");
    await answered(page, 2);
    assert.deepEqual(
      fake.requests.at(-1).messages.map((m) => m.content),
      ["a", "Answer 1 to a", "c"],
    );
  }));

test("an answer that reached its longest length goes on in its place", () =>
  withPage({}, async ({ fake, page }) => {
    fake.answer = (body) =>
      body.messages.at(-1).role === "assistant" ? " and the rest." : { text: "The beginning", reason: "max_tokens" };
    await ask(page, "Tell");
    await sees(page, ".answer .notice", /longest length/);
    await page.click(".answer .notice .button");
    await page.waitForFunction(
      () => document.querySelector(".answer > .markdown").innerText === "The beginning and the rest.",
    );
    assert.equal(await page.locator(".answer .notice").count(), 0);
  }));

test("what went wrong is said, with what can be done", () =>
  withPage({}, async ({ fake, page }) => {
    fake.answer = () => ({ status: 429, error: { message: "the queue is full" } });
    await ask(page, "a");
    await sees(page, ".answer .notice.error", /the queue is full/);
    fake.answer = () => ({ text: "Half", error: { message: "experts 64-127 have no owner" } });
    await page.click(".answer .notice .button");
    await sees(page, ".answer .notice.error", /experts 64-127/);
    fake.answer = () => " and whole.";
    await page.click(".answer .notice .button");
    await page.waitForFunction(() => document.querySelector(".answer > .markdown").innerText === "Half and whole.");
  }));

test("a conversation that has become too long leaves its oldest turns out", () =>
  withPage({}, async ({ fake, page }) => {
    for (const [i, question] of [`${"x".repeat(4000)}`, "short"].entries()) {
      await ask(page, question);
      await answered(page, i + 1);
    }
    fake.answer = (body) =>
      body.messages[0].content.length > 3000
        ? { status: 400, error: { message: "too long", n_prompt_tokens: 2000, n_ctx: 1000 } }
        : "Fits.";
    await ask(page, "last");
    await sees(page, ".notice.error", /2,000 tokens; the model takes 1,000/);
    await page.click(".notice.error .button");
    await page.waitForFunction(() => document.querySelectorAll(".answer")[2]?.textContent.includes("Fits."));
    assert.deepEqual(
      fake.requests.at(-1).messages.map((m) => m.content),
      ["short", "Hello.", "last"],
    );
    await sees(page, ".send-from", /no longer sent/);
    await page.click(".send-from button");
    assert.equal(await page.locator(".send-from").count(), 0);
  }));

test("settings reach the server, for this conversation or for all that come", () =>
  withPage({}, async ({ fake, page }) => {
    await page.keyboard.press("Alt+s");
    await page.fill("#setting-system", "Be brief.");
    await page.fill("#setting-temperature", "9");
    await page.click(".dialog .primary");
    await sees(page, ".dialog .problem", /Temperature is not from 0 to 5/);
    await page.fill("#setting-temperature", "0.5");
    await page.fill("#setting-stop", "END\nSTOP");
    await page.selectOption("#setting-thinking", "off");
    await page.getByRole("button", { name: "Save for new chats, too" }).click();
    await page.click(".chip"); // off → as the model has it
    await ask(page, "a");
    await answered(page);
    assert.deepEqual(fake.requests[0], {
      temperature: 0.5,
      stop: ["END", "STOP"],
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "a" },
      ],
    });
    await page.keyboard.press("Alt+n");
    await ask(page, "b");
    await answered(page);
    assert.equal(fake.requests[1].enable_thinking, false);
  }));

test("conversations are found, renamed, deleted, exported and read in again", () =>
  withPage({}, async ({ page }) => {
    for (const question of ["About cats", "About dogs"]) {
      await page.keyboard.press("Alt+n");
      await ask(page, question);
      await answered(page);
    }
    await page.fill(".search input", "cat");
    assert.deepEqual(await page.locator(".conversation").allInnerTexts(), ["About cats"]);
    await page.hover(".conversations li");
    await page.click("[aria-label='Rename About cats']");
    await page.fill(".rename", "Felines");
    await page.press(".rename", "Enter");
    await page.fill(".search input", "");
    await page.waitForFunction(() => document.querySelector(".conversations").innerText.includes("Felines"));
    await page.click(".sidebar-bottom button");
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Export all" }).click();
    const file = await (await download).path();
    await page.getByRole("button", { name: "Delete all…" }).click();
    await page.getByRole("button", { name: "Delete 2 conversations for good" }).click();
    await page.waitForFunction(() => document.querySelectorAll(".conversation").length === 0);
    await page.click(".sidebar-bottom button");
    await page.setInputFiles("#import-file", file);
    await sees(page, ".dialog [role=status]", /2 conversations added/);
    await page.setInputFiles("#import-file", file);
    await sees(page, ".dialog [role=status]", /0 conversations added, 2 were here already/);
    await page.keyboard.press("Escape");
    await page.click(".conversation:has-text('Felines')");
    await sees(page, ".question", /About cats/);
    await page.hover(".conversations li.is-shown");
    const bin = page.locator(".conversations li.is-shown .icon-button").nth(1);
    await bin.click();
    await bin.click();
    await page.waitForFunction(() => document.querySelectorAll(".conversation").length === 1);
  }));

test("an answer that grows takes no button of the list from under the pointer", () =>
  withPage({}, async ({ fake, page }) => {
    const steps = await counting(fake, page, "one ", "two ", "three");
    await page.hover(".conversations li");
    const bin = page.locator(".conversations li .icon-button").nth(1);
    await bin.click();
    assert.equal(await bin.innerText(), "Delete?");
    const armed = await page.$(".conversations li .is-armed");
    steps.next();
    await sees(page, ".answer > .markdown", /two/);
    await page.evaluate(() => new Promise((done) => setTimeout(done, 0)));
    assert.equal(await armed.evaluate((b) => b.isConnected && b === document.activeElement), true);
    await bin.click();
    await page.waitForFunction(() => document.querySelectorAll(".conversation, .message").length === 0);
    steps.next(2);
  }));

test("a conversation that is deleted in one tab is not brought back by another that reads its answer", () =>
  withPage({}, async ({ fake, page, context }) => {
    const steps = await counting(fake, page, "one ", "two");
    const other = await context.newPage();
    await visit(other, fake);
    await other.hover(".conversations li");
    const bin = other.locator(".conversations li .icon-button").nth(1);
    await bin.click();
    await bin.click();
    for (const p of [page, other])
      await p.waitForFunction(() => document.querySelectorAll(".conversation, .message").length === 0);
    steps.next(2);
    await page.waitForTimeout(1500);
    await other.reload();
    await other.waitForSelector("html[data-ready]");
    assert.equal(await other.locator(".conversation").count(), 0);
    assert.equal([...fake.answers.values()][0].stopped, true);
  }));

test("a server with keys is asked with one", () =>
  withPage({ fakeOptions: { key: "right" }, open: false }, async ({ fake, page }) => {
    await visit(page, fake);
    await page.fill("#api-key", "wrong");
    await page.press("#api-key", "Enter");
    await sees(page, ".dialog .problem", /does not know the key/);
    await page.fill("#api-key", "right");
    await page.press("#api-key", "Enter");
    await sees(page, ".welcome h1", /gemma/);
    await ask(page, "a");
    await answered(page);
    await page.reload();
    await sees(page, ".pill", /3 nodes/);
    assert.equal(await page.evaluate(() => localStorage.getItem("larql.key")), null);
  }));

test("a page that came before the model waits for it", () =>
  withPage({ fakeOptions: { isLoading: true } }, async ({ fake, page }) => {
    await sees(page, ".welcome", /being loaded/);
    fake.isLoading = false;
    await sees(page, ".welcome h1", /gemma/);
  }));

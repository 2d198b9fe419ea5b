import assert from "node:assert/strict";
import test from "node:test";

import { Steps, answered, ask, sees, text, withPage } from "./support.mjs";

test("first use says which model, where its experts are, and what leaves the machine", () =>
  withPage({}, async ({ page }) => {
    await sees(page, ".welcome h1", /gemma-4-26b-a4b/);
    await sees(page, ".facts", /8 of 128 experts in each of 30 layers/);
    await sees(page, ".facts", /ams-1.*experts 0–63/);
    await sees(page, ".facts", /Nodes get numbers/);
    await page.click(".suggestions button");
    assert.match(await page.inputValue("#question"), /mixture of experts/);
  }));

test("without nodes nothing leaves the machine, and the page says so", () =>
  withPage({ open: false }, async ({ fake, page }) => {
    const whole = fake.cluster.snapshot.bind(fake.cluster);
    fake.cluster.snapshot = () => ({ ...whole(), nodes: [], own: { layers: [0, 29], experts: [0, 127] } });
    await page.goto(fake.url);
    await sees(page, ".fact-shield", /Nothing\. Your text, the model and its answers stay on this machine/);
    await sees(page, ".pill", /this machine/);
  }));

test("a node that dies is seen within a second, with what took over", () =>
  withPage({}, async ({ fake, page }) => {
    await page.keyboard.press("Alt+c");
    await sees(page, ".cluster-summary", /3 nodes serve all 3,840 experts/);
    const begin = performance.now();
    fake.cluster.lose("fra-1");
    await sees(page, ".cluster-summary", /1 of 3 nodes away; every expert has an owner/);
    const ms = performance.now() - begin;
    assert.ok(ms < 1000, `seen after ${Math.round(ms)} ms`);
    await sees(page, ".node.is-error", /fra-1.*away.*connection closed by peer.*fra-2 answers in its place/);
    await sees(page, ".events", /fra-1 is away: connection closed by peer.*fra-2 answers for experts 64–127/);
    await sees(page, "#announcer", /fra-1 is away/);
    fake.cluster.lose("fra-2");
    await sees(page, ".cluster-summary", /1,920 of 3,840 experts have no owner: answers wait/);
    await sees(page, ".legend", /nobody/);
    fake.cluster.bring("fra-1");
    fake.cluster.bring("fra-2");
    await sees(page, ".cluster-summary", /3 nodes serve/);
    await sees(page, ".events", /fra-1 is there/);
  }));

test("a node whose answer is overdue is shown as not answering, and keeps its experts", () =>
  withPage({}, async ({ fake, page }) => {
    await page.keyboard.press("Alt+c");
    await sees(page, ".cluster-summary", /3 nodes serve/);
    const node = fake.cluster.nodes.find((n) => n.name === "fra-1");
    node.state = "suspect";
    await sees(page, ".node.is-warning", /fra-1.*not answering/);
    await sees(page, ".cluster-summary", /3 nodes serve all 3,840 experts/);
    node.state = "serving";
    await page.waitForFunction(() => document.querySelector(".node.is-warning") === null);
  }));

test("speed, time and counters are live, and experts light up as they are used", () =>
  withPage({}, async ({ fake, page }) => {
    await page.keyboard.press("Alt+c");
    await sees(page, ".heat-readout", /No tokens yet/);
    await sees(page, ".time", /Nothing was computed yet/);
    fake.answer = () => ({ text: "word ".repeat(150) });
    await ask(page, "Go on");
    await answered(page);
    await sees(page, ".heat-readout", /of 3,840 experts used in the last/);
    await sees(page, ".tile.speed", /14\.3.*tokens\/s, answers/);
    await sees(page, ".tiles", /317.*tokens\/s, prompts/);
    await sees(page, ".time-table", /Experts.*43\.0 %/);
    await sees(page, ".counters", /75\.0 % of 12/);
    await sees(page, ".pill", /14\.3 tokens\/s/);
  }));

test("the map of experts can be read by keyboard", () =>
  withPage({}, async ({ page }) => {
    await page.keyboard.press("Alt+c");
    await page.waitForFunction(() =>
      document.querySelector(".heat-canvas").getAttribute("aria-label")?.includes("30 layers of 128 experts"),
    );
    await page.focus(".heat-canvas");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowDown");
    await sees(page, ".heat-readout", /Layer 1, expert 0: ams-1/);
    await page.keyboard.press("End");
    await sees(page, ".heat-readout", /Layer 1, expert 127: fra-1, fra-2/);
  }));

test("colours of the map: an owner's own, stripes for two, hatching for nobody", () =>
  withPage({}, async ({ fake, page }) => {
    await page.keyboard.press("Alt+c");
    await page.click(".segments button:has-text('Owner'):nth-child(2)");
    const colors = () =>
      page.evaluate(() => {
        const canvas = document.querySelector(".heat-canvas");
        const context = canvas.getContext("2d");
        const column = (x) =>
          new Set(
            Array.from({ length: 6 }, (_, y) => context.getImageData(x, y, 1, 1).data.join()).filter(
              (c) => !c.endsWith(",0"),
            ),
          );
        return [column(2).size, column(canvas.width - 2).size];
      });
    await page.waitForTimeout(500);
    assert.deepEqual(await colors(), [1, 2]);
    fake.cluster.lose("ams-1");
    await page.waitForTimeout(700);
    assert.equal((await colors())[0], 2);
  }));

test("a server that goes away is told, and found again", () =>
  withPage({}, async ({ fake, page, context }) => {
    await page.keyboard.press("Alt+c");
    await sees(page, ".cluster-summary", /3 nodes/);
    await context.setOffline(true);
    await sees(page, ".cluster-summary", /cannot be reached/);
    await sees(page, ".pill", /no server/);
    await context.setOffline(false);
    await sees(page, ".cluster-summary", /3 nodes/);
    assert.ok(fake.url);
  }));

test("a node that dies in the middle of an answer stops neither the answer nor the page", () =>
  withPage({}, async ({ fake, page }) => {
    const steps = new Steps();
    fake.answer = () => steps.of([text("before "), text("after"), { end: { reason: "stop" } }]);
    await page.keyboard.press("Alt+c");
    await ask(page, "Go");
    steps.next();
    await sees(page, ".answer > .markdown", /before/);
    fake.cluster.lose("fra-1");
    await sees(page, ".cluster-summary", /1 of 3 nodes away/);
    steps.next(2);
    assert.equal(await (await answered(page)).locator("> .markdown").innerText(), "before after");
  }));

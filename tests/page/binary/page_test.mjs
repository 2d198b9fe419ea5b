// The page of the real server, whose experts are on three real nodes.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import test from "node:test";

import { answered, ask, sees, withBrowser } from "../browser/support.mjs";
import { Cluster } from "./programs.mjs";

const QUESTION = "What is the capital of France?";

async function withCluster(options, f) {
  const cluster = await Cluster.start(options);
  try {
    await withBrowser({ url: cluster.url }, async ({ page, context }) => {
      await page.goto(cluster.url);
      await page.waitForSelector("html[data-ready]");
      await f({ cluster, page, context });
    });
  } catch (error) {
    console.log(cluster.server.err);
    throw error;
  } finally {
    await cluster.stop();
  }
}

/** An answer that takes long: as many tokens as are asked for, whatever they say. */
async function askForLong(page, tokens) {
  await page.keyboard.press("Alt+s");
  await page.fill("#setting-max_tokens", String(tokens));
  await page.fill("#setting-temperature", "1");
  await page.fill("#setting-seed", "7");
  await page.click(".dialog .primary");
  await ask(page, "Tell me a long story.");
}

test("the page says what `larql run` says, and what it cost", () =>
  withCluster([], async ({ cluster, page }) => {
    await sees(page, ".facts", /ams-1.*experts 0–7/);
    await page.keyboard.press("Alt+s");
    await page.fill("#setting-temperature", "0");
    await page.click(".dialog .primary");
    await ask(page, QUESTION);
    const answer = await answered(page);
    const run = spawnSync(process.env.LARQL, ["run", cluster.model, QUESTION, "-q"]);
    assert.equal((await answer.locator("> .markdown").innerText()).trim(), String(run.stdout).trim());
    await answer.locator(".numbers summary").click();
    await sees(page, ".numbers", /Nodes.*3.*round trip/);
    await page.keyboard.press("Alt+c");
    await sees(page, ".cluster-summary", /3 nodes serve all/);
    await sees(page, ".heat-readout", /experts used in the last/);
    await sees(page, ".node", /Resident/);
    await sees(page, ".time-table", /Attention/);
  }));

test("an answer goes on while its page is reloaded", () =>
  withCluster([], async ({ page }) => {
    await askForLong(page, 400);
    await page.waitForFunction(() => document.querySelector(".answer > .markdown")?.textContent.length > 20);
    await page.goto("about:blank");
    await page.goBack();
    const answer = await answered(page);
    const taken = await answer.locator("> .markdown").innerText();
    await page.click(".answer [aria-label=Regenerate]");
    await sees(page, ".answer .branches-count", /2 of 2/);
    const again = await (await answered(page)).locator("> .markdown").innerText();
    assert.equal(taken, again); // the same seed: nothing was lost and nothing came twice
  }));

test("an answer is stopped at the server", () =>
  withCluster([], async ({ cluster, page }) => {
    await askForLong(page, 100_000);
    await page.waitForFunction(() => document.querySelector(".answer")?.textContent.length > 20);
    await page.keyboard.press("Escape");
    await answered(page);
    const running = async () => (await (await fetch(`${cluster.url}cluster`)).json()).answers.running;
    for (const until = Date.now() + 5000; (await running()) > 0;) assert.ok(Date.now() < until, "it goes on");
  }));

test("a node that is killed in the middle of an answer is seen within a second, with what took over, and no token is lost", () =>
  withCluster([], async ({ cluster, page }) => {
    await page.keyboard.press("Alt+c");
    await sees(page, ".cluster-summary", /3 nodes serve all/);
    await askForLong(page, 1500);
    await page.waitForFunction(() => document.querySelector(".answer > .markdown")?.textContent.length > 20);
    const begin = performance.now();
    cluster.nodes.get("fra-1").child.kill("SIGKILL");
    await sees(page, ".cluster-summary", /1 of 3 nodes away; every expert has an owner/);
    const ms = performance.now() - begin;
    assert.ok(ms < 1000, `seen after ${Math.round(ms)} ms`);
    await sees(page, ".node.is-error", /fra-1.*fra-2 answers in its place/);
    await sees(page, ".events", /fra-1 is away.*fra-2 answers for experts 8–15/);
    const answer = await answered(page);
    const text = await answer.locator("> .markdown").innerText();
    await cluster.startNode("fra-1");
    await sees(page, ".cluster-summary", /3 nodes serve all/);
    await sees(page, ".events", /fra-1 is there/);
    await page.click(".answer [aria-label=Regenerate]");
    await sees(page, ".answer .branches-count", /2 of 2/);
    assert.equal(await (await answered(page)).locator("> .markdown").innerText(), text);
  }));

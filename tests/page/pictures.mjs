// Makes the pictures of docs/images: both themes and a phone, with a made-up server.

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { FakeServer } from "./fake_server.mjs";
import { ANSWERS } from "./samples.mjs";

const { chromium } = createRequire(`${process.env.LARQL_PAGE_MODULES}/`)("playwright-core");
const TO = join(dirname(fileURLToPath(import.meta.url)), "../../docs/images");

const fake = await FakeServer.start({ tokenMs: 15 });
fake.answer = (body) => ANSWERS.find((a) => a.for.test(body.messages.at(-1).content)) ?? ANSWERS.at(-1);
const browser = await chromium.launch({ executablePath: process.env.LARQL_CHROMIUM, args: ["--no-sandbox"] });

async function open(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  await page.goto(fake.url);
  await page.waitForSelector("html[data-ready]");
  await page.waitForSelector(".fact");
  return page;
}

async function converse(page, texts) {
  for (const [i, text] of texts.entries()) {
    await page.fill("#question", text);
    await page.click(".send-button");
    await page.waitForFunction(
      (n) => document.querySelectorAll(".answer[aria-busy=false] .numbers").length === n,
      i + 1,
      { timeout: 60_000 },
    );
  }
}

const save = async (page, name) => {
  await page.waitForTimeout(700);
  await page.mouse.move(700, 5);
  await page.screenshot({ path: join(TO, `page-${name}.png`) });
};

const desk = await open({ viewport: { width: 1440, height: 900 }, colorScheme: "light" });
await save(desk, "first-use");
await desk.click(".pill");
for (const text of ["A short list of names for a cat", "Plan a weekend in Ghent, as a table"]) {
  await desk.click(".button.new");
  await converse(desk, [text]);
}
await desk.click(".button.new");
await converse(desk, ["Explain what a mixture of experts is to somebody who knows neural networks."]);
await desk.evaluate(() => (document.querySelector(".scroller").scrollTop = 0));
await save(desk, "light");
await desk.emulateMedia({ colorScheme: "dark" });
fake.cluster.lose("fra-1");
await save(desk, "dark");
await desk.click("[aria-label='Wide view']");
await save(desk, "cluster");
fake.cluster.bring("fra-1");

const phone = await open({
  viewport: { width: 390, height: 780 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
  colorScheme: "light",
});
await converse(phone, ["Explain what a mixture of experts is."]);
await save(phone, "phone");
await phone.click(".pill");
await save(phone, "phone-cluster");
await browser.close();
await fake.close();

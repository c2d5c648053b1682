// A new user sets a bridge up: node first_run.js JOB.json prints one JSON object.
// JOB: {chromium, url, base, port, modbus, password}
"use strict";

const fs = require("node:fs");
const { chromium } = require("playwright-core");

const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const job = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const PATIENCE_MS = 120_000;

(async () => {
  const browser = await chromium.launch({
    executablePath: job.chromium, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });
  const told = { serious: [], faults: [] };
  try {
    const page = await browser.newPage({ viewport: { width: 390, height: 844 } });
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("pageerror", (fault) => told.faults.push(String(fault)));
    const judge = async () => {
      for (const width of [1280, 390]) {  // on a desk, and on the phone that it goes on with
        await page.setViewportSize({ width, height: 844 });
        await page.evaluate(axe);
        const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
        const serious = found.violations.filter((one) => /serious|critical/.test(one.impact));
        told.serious.push(...serious.map((one) => `${one.id} at ${width}`));
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        if (overflow > 0) told.serious.push(`wider than ${width}`);
      }
      told.judged = (told.judged || 0) + 1;
    };
    await page.goto(job.url);
    await judge();
    await page.fill("#port", job.port);
    await page.fill("#modbus", String(job.modbus));
    await page.uncheck("#network");
    await page.click("text=Look for equipment");
    await page.waitForSelector("#text");
    await judge();
    told.found = await page.locator("main ul").innerText();
    told.site = await page.inputValue("#text");
    await page.fill("#password", job.password);
    await page.fill("#again", `${job.password}!`);
    await page.click("text=Write it and serve");
    told.mistyped = await page.locator("[role=alert]").innerText();
    await page.fill("#password", job.password);
    await page.fill("#again", job.password);
    await page.click("text=Write it and serve");
    await page.waitForSelector("text=the bridge starts");
    for (const began = Date.now(); Date.now() - began < PATIENCE_MS;) {  // until the bridge has the port
      try {
        const reply = await page.goto(`${job.base}/login`);
        if (reply.ok() && await page.locator("#role").count()) break;
      } catch { /* not yet */ }
      await page.waitForTimeout(200);
    }
    await page.fill("#password", job.password);
    await page.click("main form button");
    await page.waitForSelector("[data-device=charger] [data-look=good]");
    told.overview = await page.locator("[data-device=charger]").innerText();
    await page.goto(job.url);
    told.again = await page.locator("main").innerText();
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(told));
})().catch((fault) => { console.error(fault.message); process.exit(1); });

// Walks through the page with a real browser: node walk.js JOB.json prints one JSON object.
// JOB: {base, chromium, role, password, views: [{width, scheme}, ..], paths: [..], shots: FOLDER or ""}
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { chromium } = require("playwright-core");

const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const job = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));

async function judged(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.map((one) => ({
    id: one.id, impact: one.impact, help: one.help, where: one.nodes.slice(0, 3).map((node) => node.html),
  }));
}

async function logIn(page) {
  await page.goto(`${job.base}/login`);
  await page.selectOption("#role", job.role);
  await page.fill("#password", job.password);
  await page.click("main form button");
  await page.waitForURL(`${job.base}/`);
}

(async () => {
  const browser = await chromium.launch({
    executablePath: job.chromium, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });
  const pages = [];
  const faults = [];
  try {
    const first = job.views[0].width;
    const context = await browser.newContext({ viewport: { width: first, height: 800 } });
    const page = await context.newPage();
    page.on("console", (message) => {
      const loaded = message.text().startsWith("Failed to load resource");  // the response says more
      if (["error", "warning"].includes(message.type()) && !loaded) faults.push(message.text());
    });
    page.on("response", (reply) => { if (reply.status() >= 400) faults.push(`${reply.status()} ${reply.url()}`); });
    page.on("pageerror", (fault) => faults.push(String(fault)));
    page.on("dialog", (dialog) => { faults.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
    page.on("request", (request) => {
      if (!request.url().startsWith(job.base) && !request.url().startsWith("data:")) faults.push(`foreign: ${request.url()}`);
    });
    await page.goto(`${job.base}/login`);
    pages.push({ path: "/login", width: first, violations: await judged(page), overflow: 0 });
    await logIn(page);
    for (const { width, scheme } of job.views) {
      await page.setViewportSize({ width, height: width < 600 ? 844 : 800 });
      await page.emulateMedia({ colorScheme: scheme });
      for (const where of job.paths) {
        const reply = await page.goto(job.base + where);
        if (await page.locator("[data-stream]").count()) await page.waitForSelector("html[data-live=yes]");
        if (await page.locator("[data-chart]").count()) await page.waitForSelector("[data-drawn]");
        const overflow = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        pages.push({
          path: where, width, scheme, status: reply.status(), title: await page.title(), overflow,
          headings: await page.locator("h1").allTextContents(), violations: await judged(page),
        });
        if (job.shots) {
          const name = where === "/" ? "overview" : where.split("?")[0].replace(/\W+/g, "-").replace(/^-|-$/g, "");
          await page.screenshot({ path: path.join(job.shots, `${name}-${width}-${scheme}.png`) });
        }
      }
    }
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify({ pages, faults }));
})().catch((fault) => { console.error(fault.message); process.exit(1); });

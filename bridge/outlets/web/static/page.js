// Live values, charts and long operations. Every page works without this file; nothing here makes HTML of text.
"use strict";

const csrf = () => document.querySelector("meta[name=csrf]")?.content ?? "";

function show(message) {
  for (const device of message.devices ?? []) {
    for (const card of document.querySelectorAll(`[data-device="${CSS.escape(device.device)}"]`)) {
      for (const link of card.querySelectorAll("[data-link]")) {
        if (link.textContent !== device.said) link.textContent = device.said;
        link.dataset.look = device.look;
      }
      const points = new Map(device.points.map((point) => [point.path, point]));
      for (const cell of card.querySelectorAll("[data-path]")) {
        const point = points.get(cell.dataset.path);
        if (!point) continue;
        if (cell.textContent !== point.said) cell.textContent = point.said;
        cell.classList.toggle("stale", point.status !== "ok");
      }
      for (const cell of card.querySelectorAll("[data-age]")) {
        const point = points.get(cell.dataset.age);
        if (point && cell.textContent !== point.age) cell.textContent = point.age;
      }
    }
  }
}

function follow(place) {
  const source = new EventSource(place.dataset.stream);
  source.onmessage = (event) => {
    place.classList.remove("lost");
    const message = JSON.parse(event.data);
    if (message.gone) location.reload();
    show(message);
    document.documentElement.dataset.live = "yes";
  };
  // values that are not heard any more must not look alive
  source.onerror = () => {
    place.classList.add("lost");
    for (const link of place.querySelectorAll("[data-link]")) {
      link.textContent = "the page has lost the bridge";
      link.dataset.look = "bad";
    }
  };
  addEventListener("pagehide", () => source.close());
}

async function chart(place) {
  const reply = await fetch(place.dataset.chart);
  const data = await reply.json();
  place.dataset.drawn = reply.ok && data.time.length ? "yes" : "no";
  if (place.dataset.drawn === "no") {
    place.textContent = data.error ?? "Nothing was taken down in that time.";
    return;
  }
  const ink = getComputedStyle(document.body);
  const axis = { stroke: ink.getPropertyValue("--faint"), grid: { stroke: ink.getPropertyValue("--soft") } };
  const accent = ink.getPropertyValue("--accent");
  place.textContent = "";
  const made = new uPlot({
    width: place.clientWidth - 16, height: 240, title: place.dataset.title,
    axes: [axis, { ...axis, size: 60 }],
    scales: { x: { time: true, range: [data.start, data.end] } },
    series: [{}, { label: data.label, stroke: accent, width: 2, spanGaps: false },
      { label: "lowest", stroke: accent, dash: [2, 4] }, { label: "highest", stroke: accent, dash: [2, 4] }],
  }, [data.time, data.average, data.minimum, data.maximum], place);
  addEventListener("resize", () => made.setSize({ width: place.clientWidth - 16, height: 240 }));
}

function operate(form) {
  const output = document.getElementById(form.dataset.output);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = {};
    for (const input of form.elements) {
      if (!input.name || input.type === "hidden") continue;
      if (input.type === "checkbox") fields[input.name] = input.checked;
      else if (input.dataset.list !== undefined) fields[input.name] = input.value.split(/[\s,]+/).filter(Boolean);
      else fields[input.name] = input.value;
    }
    const button = form.querySelector("button");
    button.disabled = true;
    output.textContent = "";
    const say = (text) => { output.textContent += `${text}\n`; };
    try {
      const reply = await fetch(form.dataset.operate, {
        method: "POST", body: JSON.stringify(fields),
        headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf() },
      });
      if (!reply.ok) { say((await reply.json()).error); return; }
      const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ;) {
        const { value, done } = await reader.read();
        if (done) break;
        const lines = (rest + value).split("\n");
        rest = lines.pop();
        for (const line of lines) {
          const step = JSON.parse(line);
          if (step.fault) say(step.fault);
          else if (step.done) say("done");
          else say(step.told.text ?? Object.entries(step.told).map(([key, told]) => `${key} ${told}`).join(", "));
        }
      }
    } catch (fault) {
      say(`the bridge cannot be reached: ${fault.message}`);
    } finally {
      button.disabled = false;
    }
  });
}

// the newest state of a text is checked, some time after the last key
function check(area) {
  const output = document.getElementById(area.dataset.output);
  let waiting = 0;
  area.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const reply = await fetch(area.dataset.check, {
        method: "POST", body: JSON.stringify({ text: area.value }),
        headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf() },
      });
      const found = await reply.json();
      output.textContent = found.said ?? found.error;
      output.classList.toggle("bad", !found.good);
    }, 500);
  });
}

for (const place of document.querySelectorAll("[data-stream]")) follow(place);
for (const place of document.querySelectorAll("[data-chart]")) chart(place);
for (const form of document.querySelectorAll("[data-operate]")) operate(form);
for (const area of document.querySelectorAll("[data-check]")) check(area);

// Keeps the page true without a reload: times count by themselves, and the page asks for the next
// state every few seconds. What the reader opened, selected or focused stays as it is.
"use strict";
const EVERY = 5000, UNITS = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
let began = performance.now();

function span(seconds) {
  let left = Math.max(0, Math.floor(seconds)), words = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count || words.length || unit === "s") words.push(count + unit);
    if (words.length === 2) break;
  }
  if (words.length === 2 && words[1].startsWith("0")) words.pop();
  return words.join(" ");
}

function tick() {
  const gone = (performance.now() - began) / 1000;
  for (const time of document.querySelectorAll("[data-age]"))
    time.textContent = span(Number(time.dataset.age) + gone);
  for (const time of document.querySelectorAll("[data-left]"))
    time.textContent = span(Number(time.dataset.left) - gone);
  for (const bar of document.querySelectorAll("[data-of]")) {
    const left = Math.max(0, Number(bar.dataset.until) - gone);
    bar.style.width = Math.min(100, 100 * left / Number(bar.dataset.of)) + "%";
  }
}

function take(text) {
  const next = new DOMParser().parseFromString(text, "text/html");
  const said = next.getElementById("state"), shown = document.getElementById("state");
  if (!said || !shown) return;
  const open = new Set([...document.querySelectorAll("details[open]")].map(each => each.id));
  for (const id of ["state", "left", "right", "log", "foot"]) {
    const here = document.getElementById(id), there = next.getElementById(id);
    for (const each of there.querySelectorAll("details")) if (open.has(each.id)) each.open = true;
    const holds = here.contains(document.activeElement) && document.activeElement.id;
    here.replaceChildren(...there.childNodes);
    here.className = there.className;
    if (holds) document.getElementById(holds)?.focus();
  }
  // A screen reader hears the headline when it changes, and nothing of what only counts.
  const spoken = document.getElementById("spoken"), words = next.getElementById("spoken").textContent;
  if (spoken.textContent !== words) spoken.textContent = words;
  document.title = next.title;
  began = performance.now();
  tick();
}

async function look() {
  const away = document.getElementById("away");
  try {
    const answer = await fetch(location.href, {cache: "no-store"});
    if (!answer.ok) throw new Error(answer.status);
    const text = await answer.text();
    away.hidden = true;
    if (!String(getSelection())) take(text);
  } catch {
    away.hidden = false;
  }
}

setInterval(tick, 1000);
setInterval(() => document.visibilityState === "visible" && look(), EVERY);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());

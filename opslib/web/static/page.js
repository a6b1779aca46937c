// What the page does beyond what its server renders: it all works without, only less at once.
"use strict";

const language = document.documentElement.lang;
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function tellAgo() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const seconds = Math.round((new Date(time.dateTime) - Date.now()) / 1000);
    const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) || UNITS[3];
    time.textContent = relative.format(Math.trunc(seconds / size), unit);
  }
}

// What came from the server changes in a part of the page what is no longer so, and nothing else: pictures do
// not blink, what is selected stays selected, and what the reader had open or in focus stays so.
function update(part, html) {
  const fresh = new DOMParser().parseFromString(html, "text/html").body;
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const href = focused?.href;
  updateChildren(part, fresh);
  if (!focused) return;
  const links = focusable(part);
  // A list may have been put in another order.
  const same = href && focused.href !== href && links.find((item) => item.href === href);
  if (same) same.focus({ preventScroll: true });
  else if (!part.contains(focused)) links[0]?.focus({ preventScroll: true });
}

function updateChildren(old, fresh) {
  const [wanted, known] = [fresh, old].map((node) => [...node.childNodes].filter(isSeen));
  wanted.forEach((node, number) => {
    if (!known[number]) old.append(node);
    else updateNode(known[number], node);
  });
  for (const surplus of known.slice(wanted.length)) surplus.remove();
}

function updateNode(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  const loads = old.nodeName === "OBJECT" || old.nodeName === "IMG";  // another one, not the same with another source
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || loads) {
    old.replaceWith(fresh);
  } else if (old.nodeType !== Node.ELEMENT_NODE) {
    old.data = fresh.data;
  } else if (!("ago" in old.dataset && old.dateTime === fresh.dateTime)) {  // tellAgo keeps what it says true
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !(name === "open" && old.dataset.keep)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    updateChildren(old, fresh);
  }
}

function isSeen(node) {
  return node.nodeType === Node.ELEMENT_NODE || (node.nodeType === Node.TEXT_NODE && node.data.trim() !== "");
}

function focusable(part) {
  return [...part.querySelectorAll("a[href], summary, button, input, [tabindex]")];
}

// ---- pages that go on by themselves

function live(part) {
  const state = document.querySelector(".live");
  const text = state?.querySelector(".live-text");
  const good = text?.textContent;
  let shown = null;
  let timer = 0;

  async function look() {
    clearTimeout(timer);
    if (!document.hidden) {
      try {
        const answer = await fetch(part.dataset.live, { headers: { Accept: "text/html" } });
        if (answer.status === 401) {
          location.reload();
          return;
        }
        if (!answer.ok) throw new Error(answer.status);
        const html = await answer.text();
        if (html !== shown) update(part, html);
        shown = html;
        tell(true);
        tellAgo();
      } catch {
        tell(false);
      }
    }
    timer = setTimeout(look, part.dataset.seconds * 1000);
  }

  function tell(well) {
    if (!state) return;
    state.hidden = false;
    state.classList.toggle("lost", !well);
    const wanted = well ? good : state.dataset.lost;
    if (text.textContent !== wanted) text.textContent = wanted;
  }

  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  look();
}

// ---- the slider through the clouds of a day

function timeline(bar) {
  const form = bar.querySelector(".slider");
  const slider = form.querySelector("input");
  const output = form.querySelector("output");
  const shown = document.querySelector("[data-shown]");
  const moments = [...document.querySelectorAll(".moments a[data-id]")];
  const [before, after] = ["prev", "next"].map((rel) => bar.querySelector(`a[rel=${rel}]`));
  const ends = [before?.href, after?.href];
  const first = Number(slider.value);
  let asked = 0;

  form.hidden = moments.length < 2;
  form.addEventListener("submit", (event) => event.preventDefault());
  slider.addEventListener("input", async () => {
    const number = Number(slider.value);
    const moment = moments[number];
    output.textContent = moment.dataset.time;
    slider.setAttribute("aria-valuetext", moment.dataset.time);
    const mine = ++asked;
    await new Promise((done) => setTimeout(done, 80));
    if (mine !== asked) return;  // the slider has gone on
    try {
      const answer = await fetch(`/live/clouds/${encodeURIComponent(moment.dataset.id)}`);
      if (mine !== asked) return;
      if (!answer.ok) throw new Error(answer.status);
      update(shown, await answer.text());
    } catch {
      location.href = moment.href;
      return;
    }
    history.replaceState(null, "", moment.href);
    for (const other of document.querySelectorAll("[data-of-shown]")) other.value = moment.dataset.id;
    moments.forEach((link) => link.removeAttribute("aria-current"));
    moment.setAttribute("aria-current", "true");
    if (before) before.href = moments[number - 1]?.href ?? (first === 0 ? ends[0] : before.href);
    if (after) after.href = moments[number + 1]?.href ?? (first === moments.length - 1 ? ends[1] : after.href);
  });
}

// ---- menus close as people expect

document.addEventListener("keydown", (event) => {
  const open = document.querySelector("details.menu[open]");
  if (event.key === "Escape" && open) {
    open.open = false;
    open.querySelector("summary").focus();
  }
});
document.addEventListener("click", (event) => {
  const open = document.querySelector("details.menu[open]");
  if (open && !open.contains(event.target)) open.open = false;
});

// On a wide screen there is room beside what is rising.
if (matchMedia("(min-width: 60rem)").matches) {
  for (const counts of document.querySelectorAll(".now details.counts")) counts.open = true;
}
for (const part of document.querySelectorAll("[data-live]")) live(part);
for (const bar of document.querySelectorAll("[data-timeline]")) timeline(bar);
tellAgo();
setInterval(tellAgo, 15000);

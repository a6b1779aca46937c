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

// What came from the server replaces a part of the page; what the reader had open or in focus stays so.
function replace(part, html) {
  const fresh = new DOMParser().parseFromString(html, "text/html").body;
  for (const kept of part.querySelectorAll("details[data-keep][open]")) {
    fresh.querySelector(`details[data-keep="${kept.dataset.keep}"]`)?.setAttribute("open", "");
  }
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const place = focused && placeOf(part, focused);
  part.replaceChildren(...fresh.childNodes);
  if (focused) {
    const candidates = focusable(sections(part)[place.section] || part);
    const same = candidates.find((item) => item.href && item.href === focused.href);
    (same || candidates[Math.min(place.number, candidates.length - 1)])?.focus({ preventScroll: true });
  }
}

// Where an element stands: in which section, and as which of those in it that can have the focus.
function placeOf(part, element) {
  const all = sections(part);
  const section = all.findLastIndex((candidate) => candidate.contains(element));
  return { section, number: focusable(all[section] || part).indexOf(element) };
}

function sections(part) {
  return [...part.querySelectorAll("section, aside, figure")];
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
        if (shown !== null && html !== shown) replace(part, html);
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
      replace(shown, await answer.text());
    } catch {
      location.href = moment.href;
      return;
    }
    history.replaceState(null, "", moment.href);
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

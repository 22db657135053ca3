"use strict";
// Libraries lie in the page as text; one becomes a script when it is first needed, if its hash is in the policy.
const loadLibrary = (() => {
  const loaded = new Set();
  return (...names) => names.forEach((name) => {
    if (loaded.has(name)) return;
    loaded.add(name);
    const script = document.createElement("script");
    script.textContent = document.getElementById(`library-${name}`).textContent;
    document.head.append(script);
  });
})();

// Calls back once an element comes near the window.
const whenNear = (element, start) => {
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    start();
  }, { rootMargin: "400px" }).observe(element);
};

// A heading's button sorts its column; a second press turns it round. Rows without a value stay last.
document.addEventListener("click", (event) => {
  const button = event.target.closest("button.sort");
  if (!button) return;
  const heading = button.closest("th");
  const body = heading.closest("table").tBodies[0];
  const index = heading.cellIndex;
  const falling = heading.getAttribute("aria-sort") === "ascending";
  heading.parentElement.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
  const numeric = heading.classList.contains("number");
  const key = (row) => {
    const cell = row.cells[index];
    if (!numeric) return cell.textContent.trim();
    return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
  };
  const rows = Array.from(body.rows, (row) => [key(row), row]);
  rows.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    const order = numeric ? a - b : a.localeCompare(b, "en", { numeric: true });
    return falling ? -order : order;
  });
  body.append(...rows.map(([, row]) => row));
});

// Pictures shrink to the column, to 60 % at least; the button shows them pixel by pixel in their scrolling box.
document.querySelectorAll("button.zoom").forEach((button) => {
  button.addEventListener("click", () => {
    const full = button.closest("figure").querySelector("img").classList.toggle("full");
    button.setAttribute("aria-pressed", String(full));
  });
});

// The contents: where the reader is, and a list that opens on a small window.
(() => {
  const contents = document.getElementById("contents");
  const opener = document.getElementById("contents-open");
  const links = new Map(Array.from(contents.querySelectorAll("li a"), (link) => [link.hash.slice(1), link]));
  const sections = [...links.keys()].map((id) => document.getElementById(id));
  const open = (is) => {
    contents.classList.toggle("open", is);
    opener.setAttribute("aria-expanded", String(is));
  };
  const mark = () => {
    const line = Math.min(200, window.innerHeight / 3);
    let here = sections[0];
    for (const section of sections) if (section.getBoundingClientRect().top <= line) here = section;
    if (window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 4) here = sections[sections.length - 1];
    links.forEach((link, id) => {
      if (id === here.id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
    document.getElementById("contents-here").textContent = links.get(here.id).textContent;
  };
  // Sections stand in the page's order, which is not the list's.
  sections.sort((a, b) => (a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));
  let waiting = false;
  document.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; mark(); });
  }, { passive: true });
  mark();
  opener.addEventListener("click", () => open(!contents.classList.contains("open")));
  contents.addEventListener("click", (event) => { if (event.target.closest("li a")) open(false); });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !contents.classList.contains("open")) return;
    open(false);
    opener.focus();
  });
})();

// Dark or light, as the button offers it: as the system has it until the button is pressed; remembered where the browser lets us.
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const tell = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    document.dispatchEvent(new Event("themechange"));
  };
  try { if (["dark", "light"].includes(localStorage.getItem("theme"))) root.dataset.theme = localStorage.getItem("theme"); } catch { /* A file may keep nothing. */ }
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* The same. */ }
    tell();
  });
  system.addEventListener("change", tell);
  tell();
})();

// Cards that hold what is looked for.
(() => {
  const find = document.getElementById("cards-find");
  const cards = Array.from(document.querySelectorAll(".card"));
  find.addEventListener("input", () => {
    const wanted = find.value.trim().toLowerCase();
    cards.forEach((card) => { card.hidden = !card.textContent.toLowerCase().includes(wanted); });
    document.getElementById("cards-count").textContent = wanted ? `${cards.filter((card) => !card.hidden).length} of ${cards.length} methods` : "";
  });
})();

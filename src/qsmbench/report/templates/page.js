"use strict";
// A heading's button sorts its column; a second press turns it round. Rows without a value stay last.
document.querySelectorAll("button.sort").forEach((button) => {
  button.addEventListener("click", () => {
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
});

// Pictures shrink to the column, to 60 % at least; the button shows them pixel by pixel in their scrolling box.
document.querySelectorAll("button.zoom").forEach((button) => {
  button.addEventListener("click", () => {
    const full = button.closest("figure").querySelector("img").classList.toggle("full");
    button.setAttribute("aria-pressed", String(full));
  });
});

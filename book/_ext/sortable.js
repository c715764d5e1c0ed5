// Tables of the class "sortable": a click on a heading, or Enter on it, orders the rows by that column.
"use strict";

(function () {
  // "+1.20 (0.31 to 2.09) points" → 1.2; the book writes a real minus, and ∞; a cell without a number is null
  function leadingNumber(text) {
    const found = text.replace(/\u2212/g, "-").replace(/,/g, "").match(/^[<×+]?\s*(-?(?:\d+\.?\d*|\.\d+|∞))/);
    if (!found) return null;
    return found[1].endsWith("∞") ? (found[1][0] === "-" ? -Infinity : Infinity) : parseFloat(found[1]);
  }

  function compare(a, b) {
    if (a === null || b === null) return 0;
    return typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
  }

  function sortBy(table, column, direction) {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows).map((row) => ({ row, text: row.cells[column].textContent.trim() }));
    const full = rows.filter((r) => r.text !== "" && r.text !== "–");
    const numeric = full.length > 0 && full.every((r) => leadingNumber(r.text) !== null);
    rows.forEach((r) => {
      r.empty = r.text === "" || r.text === "–";
      r.value = r.empty ? null : numeric ? leadingNumber(r.text) : r.text;
    });
    // rows without a value stay last in either direction; equal ones keep their order
    rows.sort((a, b) => a.empty - b.empty || direction * compare(a.value, b.value));
    rows.forEach((r) => body.appendChild(r.row));
  }

  function prepare(table) {
    const headings = Array.from(table.tHead.rows[table.tHead.rows.length - 1].cells);
    headings.forEach((heading, column) => {
      heading.tabIndex = 0;
      heading.setAttribute("aria-sort", "none");
      heading.title = "Sort by this column";
      const act = () => {
        const direction = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        headings.forEach((h) => h.setAttribute("aria-sort", "none"));
        heading.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
        sortBy(table, column, direction);
      };
      heading.addEventListener("click", act);
      heading.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          act();
        }
      });
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("table.sortable").forEach((table) => table.tHead && table.tBodies.length && prepare(table));
  });
})();

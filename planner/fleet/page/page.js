"use strict";
(() => {
  const value = (row, place, numeric) => {
    const text = row.cells[place].textContent;
    return numeric ? (text === "" ? -Infinity : Number(text)) : text;
  };
  for (const head of document.querySelectorAll("th")) {
    head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending" ||
        (!head.hasAttribute("aria-sort") && !head.classList.contains("number"));
      for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const numeric = head.classList.contains("number"), place = head.cellIndex;
      const body = head.closest("table").tBodies[0];
      const rows = [...body.rows].sort((one, other) => {
        const a = value(one, place, numeric), b = value(other, place, numeric);
        return (a < b ? -1 : a > b ? 1 : 0) * (up ? 1 : -1);
      });
      body.append(...rows);
    });
  }
})();

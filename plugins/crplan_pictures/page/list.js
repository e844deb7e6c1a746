// Small tools: elements without markup, and a list that holds only the rows in sight.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (name === "onclick") made.addEventListener("click", value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

const byId = (id) => document.getElementById(id);
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

// `draw(place)` returns the row of a place, with an id; `chosen(place)` hears of clicks and of keys that choose.
class RowList {
  constructor(container, rowHeight, draw) {
    this.container = container;
    this.rowHeight = rowHeight;
    this.draw = draw;
    this.count = 0;
    this.active = -1;
    this.whole = 0;
    this.spacer = element("div", { class: "spacer", role: "presentation" });
    container.append(this.spacer);
    container.addEventListener("scroll", () => this.later(), { passive: true });
    new ResizeObserver(() => this.later()).observe(container);
  }

  // Holds so many rows for paper; 0 is for the screen.
  hold(most) {
    this.whole = most;
    this.show();
  }

  later() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.show(); });
  }

  setCount(count) {
    this.count = count;
    this.spacer.style.height = `${count * this.rowHeight()}px`;
    if (this.active >= count) this.active = count - 1;
  }

  show() {
    const height = this.rowHeight();
    const first = this.whole ? 0 : Math.max(0, Math.floor(this.container.scrollTop / height) - 4);
    const end = Math.min(this.count, this.whole || Math.ceil((this.container.scrollTop + this.container.clientHeight) / height) + 4);
    const places = [];
    for (let place = first; place < end; place += 1) places.push(place);
    if (!this.whole && this.active >= 0 && (this.active < first || this.active >= end)) places.push(this.active);
    const rows = places.map((place) => {
      const row = this.draw(place);
      row.style.top = `${place * height}px`;
      row.style.height = `${height}px`;
      if (place === this.active) row.classList.add("active");
      return row;
    });
    this.spacer.replaceChildren(...rows);
    const active = rows.find((row) => row.classList.contains("active"));
    if (active) this.container.setAttribute("aria-activedescendant", active.id);
    else this.container.removeAttribute("aria-activedescendant");
  }

  // Scrolls as little as shows a place with some rows around it.
  reveal(place, around = 0) {
    const height = this.rowHeight(), top = place * height, box = this.container;
    const margin = Math.max(0, Math.min(around * height, (box.clientHeight - height) / 2));
    if (top - margin < box.scrollTop) box.scrollTop = top - margin;
    else if (top + height + margin > box.scrollTop + box.clientHeight) box.scrollTop = top + height + margin - box.clientHeight;
  }

  activate(place, around = 0) {
    this.active = Math.max(-1, Math.min(place, this.count - 1));
    if (this.active >= 0) this.reveal(this.active, around);
    this.show();
  }

  // Returns the place that a key moves to, -1 for a key that moves nowhere.
  moved(key) {
    const page = Math.max(1, Math.floor(this.container.clientHeight / this.rowHeight()) - 1);
    const to = { ArrowDown: this.active + 1, ArrowUp: this.active - 1, Home: 0, End: this.count - 1,
      PageDown: this.active + page, PageUp: this.active - page }[key];
    return to === undefined || !this.count ? -1 : Math.max(0, Math.min(to, this.count - 1));
  }
}

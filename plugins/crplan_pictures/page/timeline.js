// The steps on a time line, a lane for each process that acts. Only what is in sight is drawn.

const LANE = 18, LABEL = 150, AXIS = 20;  // Pixels of a lane's height, of its label, and of the axis above.
const LEAST_SEEN = 4;  // Pixels of a step at the beginning.
const WIDEST = 8_000_000;  // Pixels that a browser still scrolls.

const { actors, begins, longest: chain, widest, clock } = story.timeline;
const onChain = new Uint8Array(steps.length);
for (const number of chain) onChain[number - 1] = 1;
const orderSpan = (at) => [begins[at], begins[at] + 1];
const clockSpan = (at) => clock[at];

const timeline = {
  box: byId("lanes"), canvas: byId("canvas"), room: byId("room"), run: clock.length > 0, scale: 1, lanes: [], laneOf: new Map(), hovered: -1,

  // A lane's steps are in plan order, which is also their order in time. Checks come after all other steps, and have no place here.
  async prepare() {
    this.span = this.run ? clockSpan : orderSpan;
    await inSlices(actors, (actor, at) => {
      if (begins[at] < 0) return;
      if (!this.laneOf.has(actor)) {
        this.laneOf.set(actor, this.lanes.length);
        const process = processes[placeOf.get(actor)];
        this.lanes.push({ actor, label: process ? `${process.vector} ${process.name}`.trim() : "executor", steps: [] });
      }
      this.lanes[this.laneOf.get(actor)].steps.push(at);
    });
    this.end = this.lanes.reduce((most, lane) => Math.max(most, this.span(lane.steps[lane.steps.length - 1])[1]), 1);
  },

  // What a view begins with: all of it, but for long plans only the beginning, in bars that can be seen.
  begin() {
    this.fit();
    if (!this.run && this.scale < LEAST_SEEN) { this.scale = Math.min(LEAST_SEEN, WIDEST / this.end); this.size(); }
  },

  fit() {
    this.scale = Math.max(1e-9, (this.box.clientWidth - LABEL - 12) / this.end);
    this.size();
  },

  zoom(factor) {
    const middle = (this.box.scrollLeft + (this.box.clientWidth - LABEL) / 2) / this.scale;
    const least = Math.min(1, (this.box.clientWidth - LABEL - 12) / this.end);
    this.scale = Math.max(least, Math.min(this.scale * factor, WIDEST / this.end, this.run ? 10 : 120));
    this.size();
    this.box.scrollLeft = middle * this.scale - (this.box.clientWidth - LABEL) / 2;
  },

  size() {
    this.room.style.width = `${LABEL + this.end * this.scale + 12}px`;
    this.room.style.height = `${AXIS + this.lanes.length * LANE + 4}px`;
    this.later();
  },

  later() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.draw(); });
  },

  // The first step of a lane that ends behind a time.
  from(lane, time) {
    let low = 0, high = lane.steps.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.span(lane.steps[middle])[1] > time) high = middle; else low = middle + 1;
    }
    return low;
  },

  draw() {
    const { box, canvas } = this, width = box.clientWidth, height = box.clientHeight, dots = devicePixelRatio || 1;
    if (!width || !height) return;
    if (canvas.width !== Math.round(width * dots) || canvas.height !== Math.round(height * dots)) {
      canvas.width = Math.round(width * dots);
      canvas.height = Math.round(height * dots);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const pen = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    const colour = Object.fromEntries(["panel", "line", "text", "quiet", "accent", "on-accent", "n0", "warning"].map((name) => [name, style.getPropertyValue(`--${name}`)]));
    pen.setTransform(dots, 0, 0, dots, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    const first = Math.max(0, Math.floor(box.scrollTop / LANE)), last = Math.min(this.lanes.length, Math.ceil((box.scrollTop + height - AXIS) / LANE));
    const clip = (left, top, wide, high, paint) => { pen.save(); pen.beginPath(); pen.rect(left, top, wide, high); pen.clip(); paint(); pen.restore(); };
    clip(LABEL, 0, width - LABEL, height, () => this.ticks(pen, colour, width, height));
    for (let at = first; at < last; at += 1) {
      const lane = this.lanes[at], top = AXIS + at * LANE - box.scrollTop;
      clip(0, AXIS, LABEL - 6, height - AXIS, () => { pen.fillStyle = colour.text; pen.fillText(lane.label, 10, top + LANE / 2); });
      clip(LABEL, AXIS, width - LABEL, height - AXIS, () => this.bars(pen, colour, lane, top, width));
    }
    if (walk.now) {
      const [begin, end] = this.span(walk.now - 1), time = begins[walk.now - 1] < 0 ? this.end : (begin + end) / 2;
      const x = LABEL + time * this.scale - box.scrollLeft;
      pen.fillStyle = colour.warning;
      if (x >= LABEL) pen.fillRect(x - 1, AXIS - 6, 2, height);
    }
  },

  ticks(pen, colour, width, height) {
    const apart = 10 ** Math.ceil(Math.log10(70 / this.scale)), from = Math.floor(this.box.scrollLeft / this.scale / apart);
    for (let at = from; at * apart <= (this.box.scrollLeft + width) / this.scale; at += 1) {
      const time = at * apart, x = LABEL + time * this.scale - this.box.scrollLeft;
      if (time % 1 && !this.run) continue;
      pen.fillStyle = colour.line;
      pen.fillRect(x, AXIS, 1, height);
      pen.fillStyle = colour.quiet;
      pen.fillText(this.run ? duration(time) : String(time), x + 3, AXIS / 2);
    }
  },

  // Steps that fall on one pixel are one bar, so that a lane costs no more than its pixels.
  bars(pen, colour, lane, top, width) {
    const { scale, box } = this, till = (box.scrollLeft + width - LABEL) / scale;
    for (let at = this.from(lane, box.scrollLeft / scale); at < lane.steps.length;) {
      const step = lane.steps[at], [begin, end] = this.span(step);
      if (begin > till) return;
      const left = LABEL + begin * scale - box.scrollLeft, wide = Math.max(1.5, (end - begin) * scale - (scale * (end - begin) > 4 ? 1 : 0));
      pen.globalAlpha = step < walk.now ? 1 : 0.35;
      pen.fillStyle = onChain[step] ? colour.accent : colour.n0;
      pen.fillRect(left, top + 2, wide, LANE - 4);
      if (step === walk.now - 1) { pen.strokeStyle = colour.text; pen.lineWidth = 2; pen.strokeRect(left, top + 2, wide, LANE - 4); }
      if (wide > 34) {
        pen.save();
        pen.beginPath();
        pen.rect(left, top, wide - 3, LANE);
        pen.clip();
        pen.fillStyle = onChain[step] ? colour["on-accent"] : colour.text;
        pen.fillText(steps[step].words, Math.max(left, LABEL) + 4, top + LANE / 2);
        pen.restore();
      }
      pen.globalAlpha = 1;
      at = wide > 3 ? at + 1 : Math.max(at + 1, this.from(lane, (left + 1 - LABEL + box.scrollLeft) / scale));
    }
  },

  // The step at a place of the view, -1 where there is none.
  at(x, y) {
    const lane = this.lanes[Math.floor((y - AXIS + this.box.scrollTop) / LANE)];
    if (!lane || y < AXIS || x < LABEL) return -1;
    const time = (x - LABEL + this.box.scrollLeft) / this.scale, near = 3 / this.scale;
    const step = lane.steps[this.from(lane, time)] ?? lane.steps[lane.steps.length - 1];
    const [begin, end] = this.span(step);
    return begin <= time + near && end >= time - near ? step : -1;
  },

  // Brings a step into sight.
  reveal(step) {
    const at = this.laneOf.get(actors[step]);
    if (at !== undefined && begins[step] >= 0) {
      const { box } = this, top = at * LANE, x = this.span(step)[0] * this.scale, sight = box.clientWidth - LABEL;
      if (top < box.scrollTop) box.scrollTop = top;
      else if (top + LANE > box.scrollTop + box.clientHeight - AXIS) box.scrollTop = top + 2 * LANE - box.clientHeight + AXIS;
      if (x < box.scrollLeft || x > box.scrollLeft + sight - 20) box.scrollLeft = x - sight / 3;
    }
    this.later();
  },
};

function duration(microseconds) {
  if (microseconds < 1000) return `${Math.round(microseconds)} µs`;
  if (microseconds < 1_000_000) return `${+(microseconds / 1000).toPrecision(3)} ms`;
  return `${+(microseconds / 1_000_000).toPrecision(4)} s`;
}

// What the line says of a step: when it can begin, and when a run did it.
function timeWords(at) {
  if (begins[at] < 0) return "It is a check, done when all other steps are done.";
  const words = [begins[at] ? `It can begin when ${plural(begins[at], "step")} one after another ${begins[at] === 1 ? "is" : "are"} done.` : "It can begin at once."];
  if (onChain[at]) words.push("It is on the longest chain of steps.");
  if (clock.length && clock[at][1]) words.push(`In the run it was done ${duration(clock[at][1])} after the begin, ${duration(clock[at][1] - clock[at][0])} after the step before it.`);
  return words.join(" ");
}

await timeline.prepare();
const placed = timeline.lanes.reduce((sum, lane) => sum + lane.steps.length, 0);

function showSummary() {
  const summary = [`${plural(placed, "step")} of ${plural(timeline.lanes.length, "actor")}`, `longest chain ${chain.length} (blue)`,
    widest > 1 ? `up to ${widest} can run side by side` : "none can run side by side",
    timeline.run ? "time: the run's clock" : "time: how many steps must come before"].join("; ");
  byId("lanesum").textContent = `${summary}.`;
  byId("canvas").setAttribute("aria-label", `Time line: ${summary}. The list of steps says the same in words.`);
}

showSummary();
byId("axisbox").hidden = !clock.length;
byId("axis").addEventListener("change", async () => {
  Object.assign(timeline, { run: byId("axis").value === "run", laneOf: new Map(), lanes: [] });
  await timeline.prepare();
  timeline.begin();
  showSummary();
});
byId("zoomin").addEventListener("click", () => timeline.zoom(2));
byId("zoomout").addEventListener("click", () => timeline.zoom(0.5));
byId("zoomfit").addEventListener("click", () => timeline.fit());
timeline.box.addEventListener("scroll", () => timeline.later(), { passive: true });
timeline.box.addEventListener("wheel", (event) => {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  timeline.zoom(event.deltaY < 0 ? 1.25 : 0.8);
}, { passive: false });
timeline.box.addEventListener("mousemove", (event) => {
  const edge = timeline.box.getBoundingClientRect(), step = timeline.at(event.clientX - edge.left, event.clientY - edge.top);
  if (step === timeline.hovered) return;
  timeline.hovered = step;
  timeline.canvas.title = step < 0 ? "" : `step ${step + 1}: ${steps[step].words}`;
  timeline.canvas.style.cursor = step < 0 ? "" : "pointer";
});
timeline.box.addEventListener("click", (event) => {
  const edge = timeline.box.getBoundingClientRect(), step = timeline.at(event.clientX - edge.left, event.clientY - edge.top);
  if (step >= 0) { goTo(step + 1); choose({ kind: "step", at: step }); }
});
timeline.box.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const to = { ArrowLeft: walk.now - 1, ArrowRight: walk.now + 1, Home: 1, End: placed }[event.key];
  if (to !== undefined) { if (to >= 1 && to <= walk.last) { goTo(to); choose({ kind: "step", at: to - 1 }); } }
  else if (event.key === "+" || event.key === "-") timeline.zoom(event.key === "+" ? 2 : 0.5);
  else return;
  event.preventDefault();
});
new ResizeObserver(() => { if (!timeline.seen && timeline.box.clientWidth) { timeline.seen = true; timeline.begin(); } else timeline.later(); }).observe(timeline.box);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => timeline.later());

// The forest as rows: pid namespaces with their tasks, children below parents.

const DEEPEST = 16;  // Generations that are indented; deeper ones say their number.

const narrow = matchMedia("(max-width: 860px)");
const indent = () => (narrow.matches ? 8 : 16);  // Columns of a generation, in pixels.
const FEWEST_ALIKE = 4;  // Siblings in a row that are alike before they are shown as one.
const collapsed = new Set();
const unfolded = new Set();
let foldOf = new Map();
let inhabitants = new Map();
let rows = [];
let rowOf = new Map();
let selected = null;  // { kind: "process" | "step" | "namespace", at }
let hits = new Set();

// Names that differ in their digits alone have one shape.
const shapes = new Map();
const shapeOf = [];
await inSlices(processes, ({ name }) => {
  const shape = name.replace(/[0-9]+/g, "#");
  if (!shapes.has(shape)) shapes.set(shape, shapes.size);
  shapeOf.push(shapes.get(shape));
});

// Whether siblings without children differ in their numbers alone; sessions and groups of their own count as alike.
function alike(a, b) {
  const one = processes[a], other = processes[b];
  const related = (field) => { const x = walk.get(a, field), y = walk.get(b, field); return x === y || (x === one.pid && y === other.pid); };
  return shapeOf[a] === shapeOf[b] && one.role === other.role && one.namespace === other.namespace && related(SESSION) && related(GROUP)
    && [STATE, STATUS, SUBREAPER, BIRTHS, PARENT].every((field) => walk.get(a, field) === walk.get(b, field))
    && !findingsOf.has(one.pid) && !findingsOf.has(other.pid);
}

// Returns the children of a row, where those in a row that are alike are one: { id, place, size }.
function* runsOf(list, below) {
  const found = [], leaf = (id) => id[0] === "p" && !below.has(id) && processes[Number(id.slice(1))].role !== "thread";
  for (let at = 0; at < list.length;) {
    const place = Number(list[at].slice(1));
    let end = at + 1;
    if (leaf(list[at])) while (end < list.length && leaf(list[end]) && alike(place, Number(list[end].slice(1)))) end += 1;
    if (end - at >= FEWEST_ALIKE) found.push({ id: `f${place}`, members: list.slice(at, end) });
    else for (let each = at; each < end; each += 1) found.push({ id: list[each] });
    at = end;
    if (found.length % 256 === 0) yield;
  }
  return found;
}

// Returns what stands now as rows, parents first. A namespace hangs below the parent of its init; a task whose parent lives in
// another namespace stands directly in its own.
function* forestRows() {
  const below = new Map();
  foldOf = new Map();
  inhabitants = new Map();
  const put = (parent, child) => { const list = below.get(parent); if (list) list.push(child); else below.set(parent, [child]); };
  for (const [place, process] of processes.entries()) {
    if (place % 256 === 0) yield;
    if (!walk.stands(place)) continue;
    const parent = placeOf.get(process.role === "thread" ? process.threadGroup : walk.get(place, PARENT));
    const there = parent !== undefined && walk.stands(parent);
    const home = placeOf.get(process.namespace);
    if (process.role !== "thread") inhabitants.set(process.namespace, (inhabitants.get(process.namespace) || 0) + 1);
    if (process.pid === process.namespace) {
      const space = `n${place}`;
      put(there ? `p${parent}` : "top", space);
      put(space, `p${place}`);
    } else if (there && processes[parent].namespace === process.namespace) put(`p${parent}`, `p${place}`);
    else put(home !== undefined && walk.stands(home) ? `n${home}` : "top", `p${place}`);
  }
  const found = [], stack = [];
  const push = (list, depth, spaces) => {
    for (let at = list.length - 1; at >= 0; at -= 1) stack.push({ ...list[at], depth, spaces, at: at + 1, of: list.length });
  };
  push(yield* runsOf(below.get("top") || [], below), 0, []);
  while (stack.length) {
    if (found.length % 256 === 0) yield;
    const { id, members, depth, spaces, at, of } = stack.pop();
    const place = Number(id.slice(1)), space = id[0] === "n";
    const within = space ? [...spaces, { depth, level: namespaces[namespaceOf.get(processes[place].pid)]?.level ?? 0 }] : spaces;
    const row = { id, place, space, members, depth, spaces: within, at, of };
    if (members) {
      row.children = members.length;
      row.open = unfolded.has(id);
      for (const member of members) foldOf.set(Number(member.slice(1)), id);
    } else {
      row.children = (below.get(id) || []).length;
      row.open = row.children > 0 && !collapsed.has(id);
    }
    found.push(row);
    if (row.open) push(members ? members.map((member) => ({ id: member })) : yield* runsOf(below.get(id), below), depth + 1, within);
  }
  return found;
}

function swatched(kind, number, own) {
  const look = (kind === "session" ? sessionLooks : groupLooks).get(number);
  const classes = look ? `chip ${kind} k${look[0]}${number === own ? " leads" : ""}` : `chip ${kind} outside`;
  const swatch = element("i", { class: look && look[1] ? `swatch p${look[1]}` : "swatch", "aria-hidden": "true" });
  return element("span", { class: classes }, swatch, `${kind} ${look ? number : "outside"}`);
}

const SIGNS = { error: "✗", warning: "!", note: "i" };

// What is to be said of a process besides its numbers: words, and the kind that colours them.
function remarks(place) {
  const process = processes[place], state = walk.get(place, STATE), found = [];
  const mark = (words, kind = "") => found.push([words, kind]);
  const worst = Object.keys(SIGNS).find((severity) => (findingsOf.get(process.pid) || []).some((one) => one.severity === severity));
  if (worst) mark(worst, worst);
  if (process.role === "helper" || process.role === "reaper") mark(process.role, "helper");
  if (process.role === "thread") mark("thread");
  if (state === IS_ZOMBIE || state === LEADER_ENDED) mark(stateWords(place), "zombie");
  if (state === DIES) mark("ending", "zombie");
  if (walk.get(place, SUBREAPER)) mark("subreaper");
  if (walk.get(place, BIRTHS)) mark(`entered ${walk.get(place, BIRTHS)}`);
  const parent = walk.get(place, PARENT), parentPlace = placeOf.get(parent);
  if (process.role !== "thread" && process.pid !== process.namespace && (parentPlace === undefined || processes[parentPlace].namespace !== process.namespace)) {
    mark(`parent ${parent || "outside"}`);
  }
  return found;
}

function marks(place) {
  return element("span", { class: "marks" }, ...remarks(place).map(([words, kind]) =>
    element("span", { class: kind }, SIGNS[kind] ? `${SIGNS[kind]} ${words}` : words)));
}

// What a screen reader says of a row: what rings, bold type and colours show is in words here.
function spoken(place) {
  const process = processes[place], parts = [`${process.vector} ${process.name}`.trim(), ...remarks(place).map(([words]) => words)];
  const belongs = (kind, number) => (number === process.pid ? `leads ${kind} ${number}` : `${kind} ${number || "outside"}`);
  if (process.role !== "thread") parts.push(belongs("session", walk.get(place, SESSION)), belongs("group", walk.get(place, GROUP)));
  if (walk.touched.has(place)) parts.push("changed by this step");
  if (hits.has(place)) parts.push("found");
  return parts.join(", ");
}

function lead(row) {
  const depth = Math.min(row.depth, DEEPEST);
  const made = element("span", { class: "lead", "aria-hidden": "true" });
  made.style.width = `${8 + depth * indent()}px`;
  const starts = new Map(row.spaces.map((space) => [space.depth, space.level]));
  for (let level = 0; level < depth; level += 1) {
    const line = element("i", starts.has(level) ? { class: `space s${starts.get(level) % 6}` } : {});
    line.style.left = `${8 + level * indent() + (narrow.matches ? 4 : 9)}px`;
    made.append(line);
  }
  return made;
}

function drawRow(at) {
  const row = rows[at], process = processes[row.place];
  const attributes = { role: "treeitem", id: `row-${row.id}`, "aria-level": row.depth + 1, "aria-setsize": row.of, "aria-posinset": row.at };
  if (row.children) attributes["aria-expanded"] = String(row.open);
  attributes["aria-selected"] = String(selected?.kind === "process" && selected.at === row.place && !row.space && !row.members
    || selected?.kind === "namespace" && selected.at === row.place && row.space);
  const twisty = element("span", { class: "twisty", "aria-hidden": "true" }, row.children ? (row.open ? "▾" : "▸") : "");
  if (row.children) twisty.addEventListener("click", (event) => { event.stopPropagation(); toggle(at); });
  if (row.space) {
    const space = namespaces[namespaceOf.get(process.pid)];
    attributes.class = `row namespace s${(space?.level ?? 0) % 6}`;
    attributes["aria-label"] = `${space ? space.words : "pid namespace"}, ${spaceWords(process)}`;
    const made = element("div", attributes, lead(row), twisty,
      element("span", { class: "who" }, space ? space.words : "pid namespace"), element("span", { class: "quiet" }, spaceWords(process)));
    made.style.setProperty("--indent", `${Math.min(row.depth, DEEPEST) * indent()}px`);
    made.addEventListener("click", () => { tree.activate(at); if (space) choose({ kind: "namespace", at: row.place }); });
    return made;
  }
  if (row.members) return drawFold(at, attributes, twisty);
  attributes["aria-label"] = spoken(row.place);
  const zombie = [IS_ZOMBIE, LEADER_ENDED].includes(walk.get(row.place, STATE));
  const role = process.role === "reaper" ? "helper" : process.role;
  attributes.class = ["row task", `of-${role}`, zombie ? "of-zombie" : "", hits.has(row.place) ? "hit" : "",
    walk.touched.has(row.place) ? "touched" : ""].filter(Boolean).join(" ");
  const who = element("span", { class: "who" },
    row.depth > DEEPEST ? element("span", { class: "generation" }, `depth ${row.depth} `) : null,
    element("span", { class: "number" }, process.vector), " ", element("span", { class: "name" }, process.name));
  const chips = process.role === "thread" ? []
    : [swatched("session", walk.get(row.place, SESSION), process.pid), " ", swatched("group", walk.get(row.place, GROUP), process.pid)];
  const facts = element("span", { class: "facts" }, marks(row.place), " ", chips.length ? element("span", { class: "chips" }, ...chips) : null);
  const made = element("div", attributes, lead(row), twisty, who, " ", facts);
  made.style.setProperty("--indent", `${Math.min(row.depth, DEEPEST) * indent()}px`);
  made.addEventListener("click", () => { tree.activate(at); choose({ kind: "process", at: row.place }); });
  return made;
}

// What a namespace's row says of it beside its name.
function spaceWords(init) {
  const space = namespaces[namespaceOf.get(init.pid)];
  return `${plural(inhabitants.get(init.pid) || 0, "process").replace("processs", "processes")}, init ${init.vector}, level ${space ? space.level : 0}`;
}

// Siblings that are alike, as one row.
function drawFold(at, attributes, twisty) {
  const row = rows[at], places = row.members.map((id) => Number(id.slice(1)));
  const first = processes[row.place], last = processes[places[places.length - 1]];
  const name = first.name === last.name ? first.name : first.name.replace(/[0-9]+/g, "#");
  const own = (field) => (walk.get(row.place, field) === first.pid ? "own" : walk.get(row.place, field) || "outside");
  const size = `x ${places.length}`;
  attributes.class = ["row task fold", places.some((place) => hits.has(place)) ? "hit" : "", places.some((place) => walk.touched.has(place)) ? "touched" : ""].filter(Boolean).join(" ");
  attributes["aria-label"] = [`${places.length} alike, ${first.vector} to ${last.vector} ${name}`.trim(), ...remarks(row.place).map(([words]) => words),
    `session ${own(SESSION)}`, `group ${own(GROUP)}`].join(", ");
  const who = element("span", { class: "who" }, element("span", { class: "number" }, `${first.vector} … ${last.vector}`), " ", element("span", { class: "name" }, name));
  const chip = (kind, field) => (own(field) === "own" ? element("span", { class: `chip ${kind} outside` }, element("i", { class: "swatch", "aria-hidden": "true" }), `${kind} own`)
    : swatched(kind, walk.get(row.place, field), -1));
  const said = marks(row.place);
  said.prepend(element("span", {}, size));
  const made = element("div", attributes, lead(row), twisty, who, " ", element("span", { class: "facts" }, said, " ", element("span", { class: "chips" }, chip("session", SESSION), " ", chip("group", GROUP))));
  made.style.setProperty("--indent", `${Math.min(row.depth, DEEPEST) * indent()}px`);
  made.addEventListener("click", () => toggle(at));
  return made;
}

const tree = new RowList(byId("tree"), () => (narrow.matches ? 52 : 28), drawRow);

function toggle(at) {
  const { id, members } = rows[at];
  if (members) { if (!unfolded.delete(id)) unfolded.add(id); }
  else if (collapsed.has(id)) collapsed.delete(id); else collapsed.add(id);
  rebuildTree();
  tree.activate(at);
}

function rebuildTree(made = whole(forestRows())) {
  const kept = tree.active >= 0 ? rows[tree.active]?.id : undefined;
  rows = made;
  rowOf = new Map(rows.map((row, at) => [row.id, at]));
  tree.setCount(rows.length);
  tree.active = kept !== undefined && rowOf.has(kept) ? rowOf.get(kept) : -1;
  byId("tree").hidden = !rows.length;
  byId("empty").hidden = rows.length > 0;
  tree.show();
}

// Opens whatever hides a process, and moves to its row.
function reveal(place) {
  for (let at = place, guard = 0; at !== undefined && guard <= processes.length; guard += 1) {
    const process = processes[at];
    collapsed.delete(`n${placeOf.get(process.namespace)}`);
    const parent = placeOf.get(process.role === "thread" ? process.threadGroup : walk.get(at, PARENT));
    const around = parent !== undefined ? parent : placeOf.get(process.namespace);
    if (around !== undefined) collapsed.delete(`p${around}`);
    at = around === at ? undefined : around;
  }
  rebuildTree();
  if (foldOf.has(place) && !rowOf.has(`p${place}`)) { unfolded.add(foldOf.get(place)); rebuildTree(); }
  const row = rowOf.get(`p${place}`);
  if (row !== undefined) tree.activate(row, 8);
}

byId("tree").addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const row = rows[tree.active];
  const to = tree.moved(event.key);
  if (to >= 0) tree.activate(to);
  else if (event.key === "ArrowRight" && row?.children) { if (row.open) tree.activate(tree.active + 1); else toggle(tree.active); }
  else if (event.key === "ArrowLeft" && row) {
    if (row.children && row.open) toggle(tree.active);
    else {
      let at = tree.active;
      while (at > 0 && rows[at].depth >= row.depth) at -= 1;
      tree.activate(at);
    }
  } else if ((event.key === "Enter" || event.key === " ") && row) {
    if (row.space) choose({ kind: "namespace", at: row.place }); else if (row.members) toggle(tree.active); else choose({ kind: "process", at: row.place });
  } else return;
  event.preventDefault();
});
byId("tree").addEventListener("focus", () => { if (tree.active < 0 && rows.length) tree.activate(0); });
narrow.addEventListener("change", () => { tree.setCount(rows.length); tree.show(); });

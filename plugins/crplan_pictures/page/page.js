// The page: the player, the list of steps, search, and the theme.

function drawStep(at) {
  const step = steps[at], done = at < walk.now;
  const made = element("div", { role: "option", id: `step-${at + 1}`, "aria-setsize": steps.length, "aria-posinset": at + 1,
    "aria-selected": String(at === walk.now - 1), "aria-label": `${at + 1}: ${step.words}, ${step.rule}${done ? "" : ", to come"}`,
    class: `row step${done ? "" : " to-come"}` },
  element("span", { class: "sign", "aria-hidden": "true" }, at === walk.now - 1 ? "▸" : done ? "✓" : ""),
  element("span", { class: "order number" }, String(at + 1)), " ", element("span", { class: "words", title: step.words }, step.words), " ",
  element("span", { class: "rule", title: step.rule }, step.rule));
  made.addEventListener("click", () => { goTo(at + 1); choose({ kind: "step", at }); });
  return made;
}

const MOST_PRINTED = 2000;  // Rows of a list that go on paper.

const stepList = new RowList(byId("steps"), () => 26, drawStep);

// Shows the forest after a step; a step that the model refuses is not reached.
function goTo(number, follow = true) {
  walk.seek(Math.max(0, Math.min(number, walk.last)));
  showStep(follow);
  keepAddress();
}

function showStep(follow, made) {
  rebuildTree(made);
  const seen = walk.touched.size ? [...walk.touched] : walk.now ? steps[walk.now - 1].about.map((pid) => placeOf.get(pid)) : [];
  const touched = seen.map((place) => rowOf.get(`p${place}`) ?? rowOf.get(foldOf.get(place))).filter((at) => at !== undefined);
  if (follow && touched.length) tree.reveal(Math.min(...touched), 4);
  tree.show();
  stepList.activate(walk.now - 1, 3);
  if (follow && walk.now) timeline.reveal(walk.now - 1); else timeline.later();
  showNow();
  if (selected && selected.kind !== "step") showDetails();
}

// The address names what is chosen, so that it can be sent to others: #step:5, #pid:21/2, #ns:20/1 for the namespace of an init.
// Away from the end it names the step, too: #pid:21/2&step:5.
function address() {
  const step = walk.now === walk.last ? "" : `step:${walk.now}`;
  if (!selected) return step;
  if (selected.kind === "step") return step || `step:${selected.at + 1}`;
  const chosen = `${selected.kind === "namespace" ? "ns" : "pid"}:${processes[selected.at].vector}`;
  return step ? `${chosen}&${step}` : chosen;
}

let addressed = 0, addressing = 0;

// What changes at once is written once; browsers refuse more than some 20 changes a second.
function keepAddress() {
  clearTimeout(addressing);
  addressing = setTimeout(writeAddress, Math.max(0, addressed + 100 - performance.now()));
}

function writeAddress() {
  addressed = performance.now();
  try {
    if (`#${address()}` !== (location.hash || "#")) history.replaceState(null, "", `#${address()}`);
  } catch { /* a page within another has no address of its own */ }
}

// Goes to what a notation such as step:5, pid:21/2 or ns:20/1 names, and returns whether there is such a thing.
function goToNamed(kind, named, moved = false) {
  if (kind === "step") {
    if (!steps[Number(named) - 1]) return false;
    goTo(Number(named));
    choose({ kind: "step", at: Number(named) - 1 });
    return true;
  }
  const place = processes.findIndex((process) => process.vector === named || String(process.pid) === named);
  if (place < 0 || (kind === "ns" && !namespaceOf.has(processes[place].pid))) return false;
  if (!moved && !walk.stands(place) && processes[place].born) goTo(processes[place].born, false);
  reveal(place);
  choose({ kind: kind === "ns" ? "namespace" : "process", at: place });
  return true;
}

const NOTATION = /^(step|pid|ns)[:=](.+)$/;

// Both #step:5 and #step=5 are understood.
function chooseByAddress() {
  let words;
  try { words = decodeURIComponent(location.hash.slice(1)); } catch { return; }
  const named = new Map(words.split("&").map((part) => (NOTATION.exec(part) || []).slice(1)));
  const step = named.get("step"), kind = ["pid", "ns"].find((each) => named.has(each));
  if (!kind && step === "0") { choose(null); goTo(0); }
  else if (!kind && step) goToNamed("step", step);
  else if (kind) {
    goTo(/^[0-9]+$/.test(step) ? Number(step) : walk.now, false);
    goToNamed(kind, named.get(kind), step !== undefined);
  }
}

function choose(subject) {
  selected = subject;
  keepAddress();
  if (selected?.kind === "step" && selected.at >= walk.last) selected.at = Math.min(selected.at, steps.length - 1);
  tree.show();
  showDetails();
  byId("details").scrollTop = 0;
}

// Says where the player is: not while it plays, and not where the slider or the list has just said it.
function announce(words) {
  const now = byId("now"), quiet = playing || ["slider", "steps"].includes(document.activeElement?.id);
  const say = () => { now.setAttribute("aria-live", quiet ? "off" : "polite"); now.textContent = words; };
  if (!quiet && now.getAttribute("aria-live") === "off" && now.textContent === words) requestAnimationFrame(say);
  else if (now.textContent !== words) say();
}

function showNow() {
  const at = walk.now;
  const words = at ? `Step ${at} of ${steps.length}: ${steps[at - 1].words}` : `Before step 1 of ${steps.length}`;
  byId("slider").value = String(at);
  byId("slider").setAttribute("aria-valuetext", words);
  announce(at === walk.last && story.refused ? `${words}. The model goes no further: ${story.refused[1]}` : words);
  let tasks = 0, helpers = 0, threads = 0;
  processes.forEach((process, place) => {
    if (!walk.stands(place)) return;
    if (process.role === "thread") threads += 1; else if (process.role === "task") tasks += 1; else helpers += 1;
  });
  const parts = [plural(tasks, "task")];
  if (threads) parts.push(plural(threads, "thread"));
  if (helpers) parts.push(plural(helpers, "helper"));
  byId("standing").textContent = tasks + helpers ? `${parts.join(", ")} after this step` : "";
}

let playing = 0;

function play() {
  playing = 1;
  if (walk.now === walk.last) goTo(0);
  playWords();
  let before = performance.now(), due = 0;
  const tick = (time) => {
    if (!playing) return;
    due += (time - before) / 1000 * Number(byId("speed").value);
    before = time;
    if (due >= 1) {
      goTo(walk.now + Math.floor(due));
      due %= 1;
    }
    if (walk.now >= walk.last) stop(); else requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}

function stop() {
  playing = 0;
  playWords();
  showNow();
}

function playWords() {
  byId("playword").textContent = playing ? "Pause" : "Play";
  byId("playshape").setAttribute("d", playing ? "M4 2h3v12H4zM9 2h3v12H9z" : "M4 2v12l10-6z");
}

const pressed = (id, action) => byId(id).addEventListener("click", action);
pressed("play", () => (playing ? stop() : play()));
pressed("first", () => { stop(); goTo(0); });
pressed("back", () => { stop(); goTo(walk.now - 1); });
pressed("forward", () => { stop(); goTo(walk.now + 1); });
pressed("last", () => { stop(); goTo(walk.last); });
for (const id of ["overview", "found"]) pressed(id, () => { choose(null); byId("abouthead").focus(); });
byId("slider").addEventListener("input", () => { if (playing) stop(); goTo(Number(byId("slider").value)); });
byId("theme").addEventListener("change", () => {
  if (byId("theme").value) document.documentElement.dataset.theme = byId("theme").value;
  else delete document.documentElement.dataset.theme;
  timeline.later();
});
addEventListener("beforeprint", () => { tree.hold(MOST_PRINTED); stepList.hold(MOST_PRINTED); timeline.draw(); });
addEventListener("afterprint", () => { tree.hold(0); stepList.hold(0); });

byId("steps").addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const to = stepList.moved(event.key);
  if (to >= 0) { goTo(to + 1); choose({ kind: "step", at: Math.max(0, walk.now - 1) }); }
  else if ((event.key === "Enter" || event.key === " ") && walk.now) choose({ kind: "step", at: walk.now - 1 });
  else return;
  event.preventDefault();
});

// A number is looked for at every level, a vector whole, and any words in names; step:5, pid:20 and ns:20 name one thing each.
function matching(query) {
  const words = query.trim().toLowerCase(), found = [];
  if (!words) return found;
  processes.forEach((process, place) => {
    const numbers = process.vector.split("/");
    if (process.vector === words || numbers.includes(words) || process.name.toLowerCase().includes(words)) found.push(place);
  });
  return found;
}

let matches = [], matchAt = -1, asked = "";

function search(next) {
  const query = byId("query").value, [, kind, named] = NOTATION.exec(query.trim().toLowerCase()) || [];
  if (kind) {
    asked = query;
    matches = [];
    hits = new Set();
    byId("hits").textContent = goToNamed(kind, named) ? "1 of 1" : "none";
    return;
  }
  if (query !== asked) {
    asked = query;
    matches = matching(query);
    hits = new Set(matches);
    matchAt = matches.length ? 0 : -1;
  } else if (next && matches.length) matchAt = (matchAt + 1) % matches.length;
  byId("hits").textContent = !query.trim() ? "" : matches.length ? `${matchAt + 1} of ${matches.length}` : "none";
  tree.show();
  timeline.later();
  if (matchAt < 0) return;
  const place = matches[matchAt];
  if (!walk.stands(place) && processes[place].born) goTo(processes[place].born, false);
  reveal(place);
  choose({ kind: "process", at: place });
}

byId("query").addEventListener("input", () => search(false));
byId("search").addEventListener("submit", (event) => { event.preventDefault(); search(true); });

// What stands at the end is what a restart comes to; the page opens there.
const count = (role) => processes.filter((process) => process.role === role).length;
const counts = [plural(count("task"), "task"), count("thread") && plural(count("thread"), "thread"), plural(namespaces.length, "pid namespace"),
  plural(steps.length, "step"), count("helper") && plural(count("helper"), "helper")];
byId("verdicts").append(...story.verdicts.map(([outcome, words]) => element("li", { class: outcome }, words)));
byId("counts").textContent = counts.filter(Boolean).join(", ");
byId("proof").textContent = story.proved ? "✓ proved on the model" : story.cut === null ? "! not proved" : `! not proved, as it stood at event ${story.cut}`;
byId("proof").classList.add(story.proved ? "good" : "warning");
const bySeverity = Object.keys(SIGNS).map((severity) => [findings.filter((finding) => finding.severity === severity).length, severity]);
const graver = bySeverity.filter(([number]) => number);
byId("found").textContent = graver.map(([number, severity]) => plural(number, severity)).join(", ") || "no findings";
byId("found").classList.add(graver.length ? graver[0][1] : "good");
byId("slider").max = String(walk.last);
const longest = processes.reduce((most, process) => Math.max(most, String(process.pid).length), 4);
document.documentElement.style.setProperty("--chip", `${80 + longest * 9}px`);
byId("steps").style.setProperty("--digits", `${String(steps.length).length + 1}ch`);
stepList.setCount(steps.length);
await inSlices(story.deltas, () => walk.forward());
walk.seek(walk.last);
showStep(false, await wholeInSlices(forestRows()));
document.querySelector("main").removeAttribute("aria-busy");
showDetails();
chooseByAddress();
addEventListener("hashchange", chooseByAddress);
window.crplan = Object.freeze({ stateAt, goTo, playing: () => playing, steps: steps.length, processes: processes.length });

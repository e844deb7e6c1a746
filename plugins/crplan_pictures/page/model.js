// The plan's story, and the states of its processes at any step.

const story = {};
await inSlices([...document.querySelectorAll("script[data-part]")], (part) => {
  const name = part.dataset.part, value = JSON.parse(part.textContent);
  if (name in story) for (const each of value) story[name].push(each); else story[name] = value;
  if (name === "title") document.getElementById("title").textContent = value;
}, 1);

const STATE = 0, PARENT = 1, SESSION = 2, GROUP = 3, SUBREAPER = 4, BIRTHS = 5, STATUS = 6, FIELDS = 7;
const ABSENT = 0, RUNS = 1, DIES = 2, IS_ZOMBIE = 3, LEADER_ENDED = 4, GONE = 5;

const processes = story.processes.map(([pid, vector, role, name, namespace, threadGroup]) => (
  { pid, vector, role, name, namespace, threadGroup, born: 0 }));
const placeOf = new Map(processes.map((process, place) => [process.pid, place]));
const namespaces = story.namespaces.map(([init, around, level, words]) => ({ init, around, level, words }));
const namespaceOf = new Map(namespaces.map((namespace, place) => [namespace.init, place]));
const steps = [];
await inSlices(story.steps, ([words, rule, about, waits, because]) => steps.push({ words, rule, about, waits, because }));
const rules = new Map(story.rules.map(([name, sentence, source]) => [name, { sentence, source }]));
const evidence = new Map();
await inSlices(story.evidence, ([number, place, text]) => evidence.set(number, { place, text }));
const births = new Map();
await inSlices(story.births, ([pid, creator, rule, because]) => births.set(pid, { creator, rule, because }));
if (due()) await rested();
const reasons = new Map(story.reasons);
const told = new Map(story.told);
const findings = story.findings.map(([severity, code, message, pid, place, hint, values]) => (
  { severity, code, message, pid, place, hint, values }));
const findingsOf = Map.groupBy ? Map.groupBy(findings, (finding) => finding.pid) : grouped(findings);

function grouped(found) {
  const groups = new Map();
  for (const finding of found) groups.set(finding.pid, [...(groups.get(finding.pid) || []), finding]);
  return groups;
}

// The model's differences carry new values only. Going forward for the first time keeps the old ones, for the way back.
const walk = {
  now: 0,
  last: story.deltas.length,
  values: new Int32Array(processes.length * FIELDS),
  undo: [],
  touched: new Set(),

  seek(step) {
    while (this.now < step) this.forward();
    while (this.now > step) this.backward();
    this.touched = new Set((this.now ? story.deltas[this.now - 1] : []).filter((_, at) => at % 3 === 0));
  },

  forward() {
    const delta = story.deltas[this.now], undo = [];
    for (let at = 0; at < delta.length; at += 3) {
      const cell = delta[at] * FIELDS + delta[at + 1];
      undo.push(cell, this.values[cell]);
      this.values[cell] = delta[at + 2];
    }
    this.undo[this.now] = undo;
    this.now += 1;
  },

  backward() {
    this.now -= 1;
    const undo = this.undo[this.now];
    for (let at = undo.length - 2; at >= 0; at -= 2) this.values[undo[at]] = undo[at + 1];
  },

  get(place, field) {
    return this.values[place * FIELDS + field];
  },

  stands(place) {
    const state = this.values[place * FIELDS];
    return state !== ABSENT && state !== GONE;
  },
};

// Every process learns the step after which it first stands.
await inSlices(story.deltas, (delta, step) => {
  for (let at = 0; at < delta.length; at += 3) {
    if (delta[at + 1] === STATE && !processes[delta[at]].born) processes[delta[at]].born = step + 1;
  }
});

// Sessions and groups get their look in the order of their numbers, so that neighbours differ: 8 colours, then 5 patterns.
async function looks(field) {
  const numbers = new Set();
  await inSlices(story.deltas, (delta) => {
    for (let at = 0; at < delta.length; at += 3) if (delta[at + 1] === field && delta[at + 2]) numbers.add(delta[at + 2]);
  });
  return new Map([...numbers].sort((a, b) => a - b).map((number, place) => [number, [place % 8, Math.floor(place / 8) % 5]]));
}
const sessionLooks = await looks(SESSION), groupLooks = await looks(GROUP);

function statusWords(status) {
  const signal = status & 0x7f;
  if (signal) return `signal ${signal}${status & 0x80 ? " with core" : ""}`;
  return `exit ${(status >> 8) & 0xff}`;
}

function stateWords(place) {
  const status = statusWords(walk.get(place, STATUS));
  return ["not created yet", "lives", "is ending", `zombie (${status})`, `zombie leader (${status}), threads live`, "has ended"][walk.get(place, STATE)];
}

// For tests: the whole state after a step, in the order of the plan's processes.
function stateAt(step) {
  const before = walk.now;
  walk.seek(step);
  const state = Array.from({ length: processes.length }, (_, place) => Array.from(walk.values.subarray(place * FIELDS, (place + 1) * FIELDS)));
  walk.seek(before);
  return state;
}

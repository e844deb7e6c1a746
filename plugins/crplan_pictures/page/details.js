// The panel that explains: the plan, a process or a step, each with its rules, their sources and the evidence.

function facts(pairs) {
  return element("dl", {}, ...pairs.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

function stepLink(number) {
  return element("button", { class: "link", type: "button", onclick: () => { goTo(number); choose({ kind: "step", at: number - 1 }); } },
    `step ${number}: ${steps[number - 1].words}`);
}

function processLink(pid) {
  const place = placeOf.get(pid);
  if (place === undefined) return document.createTextNode(pid ? String(pid) : "the executor");
  const { vector, name } = processes[place];
  return element("button", { class: "link", type: "button", onclick: () => { reveal(place); choose({ kind: "process", at: place }); } }, `${vector} ${name}`.trim());
}

function namespaceLink(init) {
  const place = placeOf.get(init), space = namespaces[namespaceOf.get(init)];
  if (place === undefined || !space) return document.createTextNode("outside");
  return element("button", { class: "link", type: "button", onclick: () => { reveal(place); choose({ kind: "namespace", at: place }); } }, `${space.words}, level ${space.level}`);
}

function ruleWords(name) {
  const rule = rules.get(name);
  const source = rule?.source ? ` Source: ${rule.source}` : "";
  return element("span", {}, element("span", { class: "rulename" }, name),
    rule?.sentence ? element("span", { class: "sentence" }, rule.sentence, element("span", { class: "quiet" }, source)) : null);
}

function evidenceLines(numbers) {
  return numbers.map((number) => {
    const { place, text } = evidence.get(number);
    return element("span", { class: "evidence" }, `event ${number}${place ? `, ${place}` : ""}: ${text}`);
  });
}

function findingBox(finding) {
  return element("div", { class: `finding ${finding.severity}` },
    element("p", {}, element("span", { class: `severity ${finding.severity}` }, finding.severity), ` ${finding.message} `,
      element("span", { class: "quiet" }, `[${finding.code}]`)),
    finding.values ? element("p", {}, finding.values) : null,
    finding.place ? element("p", {}, element("span", { class: "quiet" }, finding.place)) : null,
    finding.hint ? element("p", {}, element("span", { class: "quiet" }, finding.hint)) : null,
    finding.pid ? element("p", {}, "task ", processLink(finding.pid)) : null);
}

const heading = (words) => element("h3", {}, words);
const list = (items) => element("ul", {}, ...items.map((item) => element("li", {}, item)));

function aboutProcess(place) {
  const process = processes[place], present = walk.stands(place), born = process.born;
  const parts = (findingsOf.get(process.pid) || []).map(findingBox);
  if (!present) {
    const state = walk.get(place, STATE) === GONE ? "has ended by this step" : "is not created yet at this step";
    parts.push(element("p", {}, `It ${state}. `, born ? element("button", { class: "link", type: "button", onclick: () => { goTo(born); reveal(place); choose({ kind: "process", at: place }); } }, `Go to step ${born}`) : null));
  } else {
    const pairs = [["numbers", `${process.vector} (outermost first)`], ["state", stateWords(place)]];
    if (process.role === "thread") pairs.push(["thread of", processLink(process.threadGroup)]);
    else pairs.push(["parent", walk.get(place, PARENT) ? processLink(walk.get(place, PARENT)) : "outside"],
      ["session", swatched("session", walk.get(place, SESSION), process.pid)], ["group", swatched("group", walk.get(place, GROUP), process.pid)]);
    const space = namespaces[namespaceOf.get(process.namespace)];
    if (space) pairs.push(["namespace", namespaceLink(process.namespace)]);
    parts.push(facts(pairs));
  }
  const birth = births.get(process.pid);
  if (birth) {
    parts.push(heading("Why it is created so"), element("p", {}, "created by ", processLink(birth.creator)), ruleWords(birth.rule), ...evidenceLines(birth.because));
  }
  else if (born) parts.push(heading("Why it is created so"), element("p", {}, stepLink(born)), ruleWords(steps[born - 1].rule), ...evidenceLines(steps[born - 1].because));
  for (const [text, rule, because] of reasons.get(process.pid) || []) {
    parts.push(heading("Its pid namespace"), element("p", {}, text), ruleWords(rule), ...evidenceLines(because));
  }
  const about = stepsAbout.get(process.pid) || [];
  parts.push(heading("Its steps"), list(about.slice(0, 40).map((number) => stepLink(number))));
  if (about.length > 40) parts.push(element("p", { class: "quiet" }, `and ${about.length - 40} more`));
  if (told.has(process.pid)) parts.push(heading("What the image says"), ...evidenceLines(told.get(process.pid)));
  const role = { task: "Task", thread: "Thread", helper: "Helper", reaper: "Reaper" }[process.role];
  return [`${role} ${process.vector} ${process.name}`.trim(), parts];
}

// What a pid namespace is, and what of it matters to a restart.
function aboutNamespace(place) {
  const init = processes[place], space = namespaces[namespaceOf.get(init.pid)];
  const inside = processes.filter((process, at) => process.namespace === init.pid && process.role !== "thread" && walk.stands(at)).length;
  const parts = [
    element("p", {}, space.level
      ? `The processes in it have numbers of their own, which begin at 1, besides one in ${space.level === 1 ? "the namespace" : `each of the ${space.level} namespaces`} around it. A vector such as ${init.vector} names them all, outermost first.`
      : "It is the outermost of the image: the numbers in it are the first of every vector."),
    element("p", {}, "When its init ends, the kernel kills all others in it; so the init is created first and ends last, and orphans of the namespace become its children."),
    facts([["init", processLink(init.pid)], ["level", String(space.level)], ["inside", space.around ? namespaceLink(space.around) : "that of the executor"],
      ["processes", `${inside} after this step`]]),
  ];
  if (init.born) parts.push(heading("Made by"), element("p", {}, stepLink(init.born)), ruleWords(steps[init.born - 1].rule), ...evidenceLines(steps[init.born - 1].because));
  for (const [text, rule, because] of reasons.get(init.pid) || []) parts.push(heading("How it is known"), element("p", {}, text), ruleWords(rule), ...evidenceLines(because));
  return [space.words[0].toUpperCase() + space.words.slice(1), parts];
}

const stepsAbout = new Map();
await inSlices(steps, (step, at) => {
  for (const pid of step.about) { const found = stepsAbout.get(pid); if (found) found.push(at + 1); else stepsAbout.set(pid, [at + 1]); }
});

function aboutStep(at) {
  const step = steps[at], parts = [element("p", {}, step.words)];
  for (const pid of step.about.slice(0, 1)) parts.push(...(findingsOf.get(pid) || []).map(findingBox));
  if (story.refused && story.refused[0] === at + 1) parts.push(element("p", { class: "error" }, `The model refuses it: ${story.refused[1]}`));
  parts.push(heading("Why it is there"), ruleWords(step.rule), ...evidenceLines(step.because));
  if (step.waits.length) {
    parts.push(heading("What must come first"), list(step.waits.map(([number, rule]) => element("div", {}, stepLink(number), ruleWords(rule)))));
  }
  parts.push(heading("When"), element("p", {}, timeWords(at)));
  if (step.about.length) parts.push(heading("Processes that it is about"), list(step.about.map((pid) => processLink(pid))));
  return [`Step ${at + 1} of ${steps.length}`, parts];
}

function legend() {
  const chip = (kind, words, classes) => [element("span", { class: `chip ${kind} ${classes}` }, element("i", { class: "swatch", "aria-hidden": "true" }), kind), words];
  const mark = (words, kind, meaning) => [element("span", { class: "marks" }, element("span", { class: kind }, words)), meaning];
  const entries = [
    chip("session", "square: the session, with its number", "k0"), chip("group", "circle: the process group, with its number", "k2"),
    chip("session", "a ring and bold: the task leads it", "k0 leads"), mark("zombie", "zombie", "has ended, and is not reaped yet"),
    mark("x 29", "", "siblings alike, shown as one; a click opens them"), mark("helper", "helper", "created and ended again by the plan; its number is in italics"), mark("i note", "note", "a finding about this task"),
  ];
  return element("div", { class: "legend" }, ...entries.flatMap(([sign, words]) => [sign, element("span", {}, words)]));
}

function aboutPlan() {
  const parts = [];
  const gravestFirst = Object.keys(SIGNS).flatMap((severity) => findings.filter((finding) => finding.severity === severity));
  if (findings.length) parts.push(heading("Findings"), ...gravestFirst.slice(0, 100).map(findingBox));
  if (findings.length > 100) parts.push(element("p", { class: "quiet" }, `and ${findings.length - 100} more, beside their tasks`));
  parts.push(facts([["plan", element("code", {}, story.plan)], ["image", element("code", {}, story.image)],
    ...story.facts.map(([name, value]) => [name, value])]));
  if (story.rebuild.length) parts.push(heading("Rebuild"), list(story.rebuild));
  parts.push(heading("How to read the forest"), legend());
  parts.push(element("p", { class: "quiet" }, "Choose a task or a step to see why it is there. Keys: arrows, Enter, Home and End in the lists."));
  if (story.uncovered.length) parts.push(heading("Not covered: no executor restores this"), list(story.uncovered));
  return ["About the plan", parts];
}

function showDetails() {
  const about = { process: aboutProcess, step: aboutStep, namespace: aboutNamespace };
  const [title, parts] = selected ? about[selected.kind](selected.at) : aboutPlan();
  byId("abouthead").textContent = title;
  byId("overview").hidden = !selected;
  byId("details").replaceChildren(...parts);
}

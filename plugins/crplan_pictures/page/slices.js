// Work in slices: a browser draws and answers between two of them.

const SLICE = 30;  // Milliseconds of work before the browser has its turn.
let sliceBegan = performance.now();

const rested = () => new Promise((done) => setTimeout(() => { sliceBegan = performance.now(); done(); }));
const due = () => performance.now() - sliceBegan > SLICE;

async function inSlices(list, act, often = 256) {
  for (let at = 0; at < list.length; at += 1) {
    act(list[at], at);
    if (at % often === often - 1 && due()) await rested();
  }
}

// Returns what a generator returns, after all of its slices.
function whole(slices) {
  for (;;) { const { done, value } = slices.next(); if (done) return value; }
}
async function wholeInSlices(slices) {
  for (;;) {
    const { done, value } = slices.next();
    if (done) return value;
    if (due()) await rested();
  }
}

// The page of a blind comparison. The server knows where a voter is; the page keeps only the voter's
// id and the votes that the server has not acknowledged, both in localStorage, so that neither a
// reload nor a server that died loses anything.
import { Viewer } from "/static/viewer.js";

const byId = (id) => document.getElementById(id);
const stored = (key) => JSON.parse(localStorage.getItem(key) ?? "null");
const store = (key, value) => localStorage.setItem(key, JSON.stringify(value));
const RETRY = 500; // milliseconds between attempts to reach a server that does not answer

const viewer = new Viewer(byId("stage"), byId("scale"));
let session = null;
let busy = false;
let shownAt = 0;

async function request(path, body) {
  const options = body && {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const answer = await fetch(path, options);
  const content = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(content.error), { status: answer.status });
  return content;
}

// Until the server answers: the same request again. Votes carry an id, so twice does no harm.
async function persist(path, body) {
  for (;;) {
    try {
      const content = await request(path, body);
      byId("notice").hidden = true;
      return content;
    } catch (error) {
      if (error.status) throw error;
      say("The server does not answer. Your vote is kept here and will be sent again.");
      await new Promise((resolve) => setTimeout(resolve, RETRY));
    }
  }
}

function say(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = false;
}

function state(name) {
  document.body.dataset.state = name;
  for (const id of ["welcome", "session", "end"]) byId(id).hidden = id !== name;
}

async function start() {
  const voter = new URLSearchParams(location.search).get("voter") ?? stored("voter");
  if (!voter) return state("welcome");
  try {
    const pending = stored("pending");
    if (pending?.voter === voter) await send(pending);
    await show(await persist(`/api/session?voter=${encodeURIComponent(voter)}`));
  } catch (error) {
    if (error.status !== 404) throw error;
    localStorage.clear(); // a voter of another study at this address
    state("welcome");
  }
}

async function begin(event) {
  event.preventDefault();
  const answer = await persist("/api/voters", { name: byId("name").value.trim() });
  store("voter", answer.voter);
  await show(answer);
}

async function show(next) {
  session = next;
  if (!session.trial) {
    byId("count").textContent = session.total;
    return state("end");
  }
  state("session");
  document.body.dataset.ready = "false";
  byId("question").textContent = session.question;
  byId("progress").value = session.done / session.total;
  byId("position").textContent = `${session.done + 1} of ${session.total}`;
  byId("undo").disabled = session.done === 0;
  await viewer.show(session.trial);
  shownAt = performance.now();
  document.body.dataset.ready = String(session.trial.number);
  document.body.dataset.shown = Math.round(shownAt); // since the navigation, for measurements
  if (session.next) viewer.preload(session.next);
}

async function send(vote) {
  store("pending", vote);
  try {
    return await persist("/api/vote", vote);
  } catch (error) {
    // Refused: the trial has a vote already, of another window of this voter.
    return await persist(`/api/session?voter=${encodeURIComponent(vote.voter)}`);
  } finally {
    localStorage.removeItem("pending");
  }
}

async function alone(action) {
  if (busy || !session) return;
  busy = true;
  try {
    await action();
  } finally {
    busy = false;
  }
}

function vote(choice) {
  return alone(async () => {
    if (!session.trial || document.body.dataset.ready !== String(session.trial.number)) return;
    const seconds = (performance.now() - shownAt) / 1000;
    const id = Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
    await show(await send({ id, voter: session.voter, number: session.trial.number, choice, seconds }));
  });
}

function undo() {
  return alone(async () => {
    if (!session.done) return;
    const number = (session.trial ? session.trial.number : session.total) - 1;
    await show(await persist("/api/undo", { voter: session.voter, number }));
  });
}

function another() {
  localStorage.clear();
  location.assign("/");
}

function help() {
  const dialog = byId("keys");
  if (dialog.open) dialog.close(); else dialog.showModal();
}

const pressed = (id, value) => byId(id).setAttribute("aria-pressed", String(value));
const actions = {
  "vote-left": () => vote("left"), "vote-right": () => vote("right"), "vote-same": () => vote("same"),
  undo, "undo-end": undo, another, help,
  above: () => pressed("above", viewer.toggleAbove()),
  flicker: () => pressed("flicker", viewer.toggleFlicker()),
  "zoom-in": () => viewer.zoom(2), "zoom-out": () => viewer.zoom(0.5),
  fit: () => viewer.fit(), full: () => viewer.full(),
};
for (const [id, action] of Object.entries(actions)) byId(id).addEventListener("click", action);
byId("begin").addEventListener("submit", begin);
byId("keys").addEventListener("close", () => byId("help").setAttribute("aria-expanded", "false"));
byId("keys").addEventListener("toggle", () => byId("help").setAttribute("aria-expanded", String(byId("keys").open)));

function hold(on) {
  viewer.showOriginal(on);
  byId("original").classList.toggle("held", on);
}
for (const name of ["pointerdown", "pointerup", "pointercancel", "pointerleave"]) {
  byId("original").addEventListener(name, () => hold(name === "pointerdown"));
}
byId("original").addEventListener("contextmenu", (event) => event.preventDefault());
byId("original").addEventListener("keydown", (event) => event.key === "Enter" && hold(true));
byId("original").addEventListener("keyup", () => hold(false));
addEventListener("blur", () => hold(false));

const keys = {
  a: "vote-left", arrowleft: "vote-left", b: "vote-right", arrowright: "vote-right",
  s: "vote-same", arrowdown: "vote-same", z: "undo", backspace: "undo",
  v: "above", f: "flicker", "+": "zoom-in", "=": "zoom-in", "-": "zoom-out", 0: "fit", 1: "full",
  h: "help", "?": "help",
};
const pans = { arrowleft: [1, 0], arrowright: [-1, 0], arrowup: [0, 1], arrowdown: [0, -1] };
const ends = { z: undo, backspace: undo, n: another, r: () => location.assign("/results") };

function onKey(event) {
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
  if (byId("keys").open && key !== "h" && key !== "?") return;
  if (document.body.dataset.state === "end" && ends[key] && !event.repeat) return ends[key]();
  if (document.body.dataset.state !== "session") return;
  if (event.shiftKey && pans[key]) viewer.pan(...pans[key]);
  else if (key === "o") hold(true);
  else if (key === " " && viewer.flickering) viewer.turn();
  else if (keys[key] && !(event.repeat && /vote|undo/.test(keys[key]))) actions[keys[key]]();
  else return;
  event.preventDefault();
}
addEventListener("keydown", onKey);
addEventListener("keyup", (event) => event.key.toLowerCase() === "o" && hold(false));

await start();

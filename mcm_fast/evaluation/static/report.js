// The plot of an evaluation: curves of a metric over bits per pixel, with a reading of each point.
const data = JSON.parse(document.getElementById("curves").textContent);
const plot = document.getElementById("plot");
const legend = document.getElementById("legend");
const metric = document.getElementById("metric");
const readout = document.getElementById("readout");
// Okabe and Ito's palette, ours first: told apart with any colour vision.
const COLOURS = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#999999"];
const AREA = { left: 56, right: 880, top: 14, bottom: 414 };
const MAX_BPP = 1.5;
const hidden = new Set();
let points = []; // of what is shown: {name, rate, value, x, y}
let current = -1;

function add(parent, name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

const colour = (name) => COLOURS[Object.keys(data.curves).indexOf(name) % COLOURS.length];
const dash = (name) => Object.keys(data.curves).indexOf(name) >= COLOURS.length ? "6 4" : "none";

// A round distance of grid lines, five to ten of them.
function step(span) {
  const power = 10 ** Math.floor(Math.log10(span / 5));
  return [1, 2, 5, 10].map((m) => m * power).find((s) => span / s <= 9);
}

function shownCurves() {
  return Object.entries(data.curves)
    .filter(([name, curve]) => !hidden.has(name) && curve[metric.value])
    .map(([name, curve]) => [name, curve[metric.value].filter(([rate]) => rate <= MAX_BPP)])
    .filter(([, curve]) => curve.length);
}

function draw() {
  plot.replaceChildren();
  points = [];
  current = -1;
  const curves = shownCurves();
  const values = curves.flatMap(([, curve]) => curve.map(([, value]) => value));
  const rates = curves.flatMap(([, curve]) => curve.map(([rate]) => rate));
  if (!values.length) return;
  const rise = step(Math.max(...values) - Math.min(...values) || 1);
  const low = rise * Math.floor(Math.min(...values) / rise);
  const high = rise * Math.ceil(Math.max(...values) / rise);
  const across = step(Math.max(...rates));
  const end = across * Math.ceil(Math.max(...rates) / across);
  const x = (rate) => AREA.left + (rate / end) * (AREA.right - AREA.left);
  const y = (value) => AREA.bottom - ((value - low) / (high - low)) * (AREA.bottom - AREA.top);
  drawGrid(x, y, { low, high, rise, across, end });
  for (const [name, curve] of [...curves].reverse()) drawCurve(name, curve, x, y);
  add(plot, "circle", { id: "ring", r: 9, fill: "none", "stroke-width": 2, visibility: "hidden" });
}

function drawGrid(x, y, { low, high, rise, across, end }) {
  const digits = (distance) => Math.max(0, -Math.floor(Math.log10(distance) + 1e-9));
  for (let i = 0; low + i * rise <= high + rise / 2; i += 1) {
    const at = y(low + i * rise);
    add(plot, "line", { class: "grid", x1: AREA.left, x2: AREA.right, y1: at, y2: at });
    add(plot, "text", { class: "tick", x: AREA.left - 8, y: at + 4, "text-anchor": "end" },
      (low + i * rise).toFixed(digits(rise)));
  }
  for (let i = 0; i * across <= end + across / 2; i += 1) {
    const at = x(i * across);
    add(plot, "line", { class: "grid", x1: at, x2: at, y1: AREA.top, y2: AREA.bottom });
    add(plot, "text", { class: "tick", x: at, y: AREA.bottom + 20, "text-anchor": "middle" },
      (i * across).toFixed(digits(across)));
  }
  const middle = (AREA.left + AREA.right) / 2;
  add(plot, "text", { x: middle, y: AREA.bottom + 42, "text-anchor": "middle" }, "bits per pixel");
}

function drawCurve(name, curve, x, y) {
  const ours = name === Object.keys(data.curves)[0];
  const path = curve.map(([rate, value], i) => `${i ? "L" : "M"}${x(rate).toFixed(1)} ${y(value).toFixed(1)}`);
  add(plot, "path", { d: path.join(""), fill: "none", stroke: colour(name),
    "stroke-width": ours ? 3 : 1.8, "stroke-dasharray": dash(name), "stroke-linejoin": "round" });
  for (const [rate, value] of curve) {
    const point = { name, rate, value, x: x(rate), y: y(value) };
    points.push(point);
    add(plot, "circle", { cx: point.x, cy: point.y, r: ours ? 4.5 : 3, fill: colour(name) });
  }
}

function mark(index) {
  const ring = document.getElementById("ring");
  current = index;
  ring.setAttribute("visibility", index < 0 ? "hidden" : "visible");
  if (index < 0) return;
  const { name, rate, value, x, y } = points[index];
  for (const [key, v] of Object.entries({ cx: x, cy: y, stroke: colour(name) })) ring.setAttribute(key, v);
  const digits = metric.value === "psnr" ? 2 : 4;
  readout.textContent = `${name}: ${rate.toFixed(3)} bpp, ${data.metrics[metric.value]} ${value.toFixed(digits)}`;
}

function nearest(event) {
  const box = plot.getBoundingClientRect();
  const scale = 900 / box.width;
  const at = { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
  const distances = points.map((p) => Math.hypot(p.x - at.x, p.y - at.y));
  return distances.indexOf(Math.min(...distances));
}

// Left and right along a curve, up and down to the next curve.
function onKey(event) {
  if (!points.length || !event.key.startsWith("Arrow")) return;
  event.preventDefault();
  const names = [...new Set(points.map((p) => p.name))];
  const at = points[current] ?? points[points.length - 1];
  const turn = { ArrowUp: 1, ArrowDown: -1 }[event.key] ?? 0;
  const name = names[(names.indexOf(at.name) + turn + names.length) % names.length];
  const row = points.filter((p) => p.name === name);
  const apart = row.map((p) => Math.abs(p.rate - at.rate));
  const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? 0;
  const index = apart.indexOf(Math.min(...apart)) + (current < 0 ? 0 : move);
  mark(points.indexOf(row[Math.min(row.length - 1, Math.max(0, index))]));
}

for (const name of Object.keys(data.curves)) {
  const button = document.createElement("button");
  const swatch = document.createElement("span");
  swatch.className = "swatch";
  swatch.style.background = colour(name);
  button.append(swatch, name);
  button.setAttribute("aria-pressed", "true");
  button.addEventListener("click", () => {
    if (!hidden.delete(name)) hidden.add(name);
    button.setAttribute("aria-pressed", String(!hidden.has(name)));
    draw();
  });
  legend.append(button);
}
plot.addEventListener("pointermove", (event) => points.length && mark(nearest(event)));
plot.addEventListener("pointerdown", (event) => points.length && mark(nearest(event)));
plot.addEventListener("keydown", onKey);
metric.addEventListener("change", draw);
draw();

// The network: a picture of 28 by 28 points, drawn or picked, and what the network makes of it.

import { load } from "./fashion.js";
import { bar, element, show } from "./report.js";

const CLASSES = ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];
const SIDE = 28;

const find = (id) => document.getElementById(id);
const canvas = find("picture");
const context = canvas.getContext("2d");
const pixels = new Uint8Array(SIDE * SIDE);
const cursor = { x: 14, y: 14 };

/** Paints bytes, 0 black. */
function paint(context, bytes) {
  const image = context.createImageData(SIDE, SIDE);
  bytes.forEach((value, index) => image.data.set([value, value, value, 255], 4 * index));
  context.putImageData(image, 0, 0);
}

// Answers ------------------------------------------------------------------------------------------------------------------------

const net = await load();
const input = new Float32Array(net.inputs[0].length);
const logits = new Float32Array(net.outputs[0].length);

const rows = CLASSES.map((name) => {
  const row = { bar: bar(0), share: element("span", "", ""), item: element("li") };
  row.item.append(element("span", "", name), row.bar, row.share);
  return row;
});
find("scores").append(...rows.map((row) => row.item));

/** Milliseconds of an inference: of as many as take a clock of 0.1 ms to tell. */
function measured() {
  const start = performance.now();
  let [runs, passed] = [0, 0];
  do {
    net.inferInto(input, logits);
    runs += 1;
    passed = performance.now() - start;
  } while (passed < 4 && runs < 1000);
  return passed / runs;
}

let last = -Infinity;
let waiting = false;

function answer() {
  waiting = false;
  paint(context, pixels);
  if (document.activeElement === canvas) {
    context.fillStyle = "rgb(110 168 255 / 0.6)";
    context.fillRect(cursor.x, cursor.y, 1, 1);
  }
  // As in training: 0 to 1.
  for (let i = 0; i < input.length; i++) input[i] = pixels[i] / 255;
  net.inferInto(input, logits);
  const most = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - most));
  const sum = powers.reduce((sum, power) => sum + power, 0);
  const best = logits.indexOf(most);
  const empty = pixels.every((pixel) => pixel === 0);
  find("answer").textContent = empty ? "Nothing yet" : CLASSES[best];
  rows.forEach((row, index) => {
    const share = empty ? 0 : powers[index] / sum;
    row.item.classList.toggle("best", !empty && index === best);
    row.bar.firstChild.style.setProperty("--share", `${(100 * share).toFixed(1)}%`);
    row.share.textContent = `${(100 * share).toFixed(0)} %`;
  });
  const now = performance.now();
  if (now - last > 250) {
    last = now;
    find("time").textContent = `${measured().toFixed(2)} ms a picture, one thread (${net.level})`;
  }
}

/** Answers once before the next picture of the screen, however often it is asked. */
function changed() {
  if (!waiting) requestAnimationFrame(answer);
  waiting = true;
}

// Drawing ------------------------------------------------------------------------------------------------------------------------

/** A round dot with soft edges. */
function dot(x, y) {
  const [radius, value] = [find("width").valueAsNumber / 2, find("brightness").valueAsNumber];
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++) {
      const cover = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(column + 0.5 - x, row + 0.5 - y)));
      const index = row * SIDE + column;
      if (cover > 0) {
        const mixed = pixels[index] + cover * (value - pixels[index]);
        pixels[index] = value === 0 ? mixed : Math.max(pixels[index], mixed);
      }
    }
  }
}

function line(from, to) {
  const steps = Math.max(1, Math.ceil(2 * Math.hypot(to.x - from.x, to.y - from.y)));
  for (let i = 0; i <= steps; i++) dot(from.x + ((to.x - from.x) * i) / steps, from.y + ((to.y - from.y) * i) / steps);
  changed();
}

let pen;
const place = (event) => {
  const box = canvas.getBoundingClientRect();
  return { x: ((event.clientX - box.left) / box.width) * SIDE, y: ((event.clientY - box.top) / box.height) * SIDE };
};
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  pen = place(event);
  line(pen, pen);
});
canvas.addEventListener("pointermove", (event) => {
  if (!pen) return;
  for (const one of event.getCoalescedEvents?.() ?? [event]) {
    const next = place(one);
    line(pen, next);
    pen = next;
  }
});
for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (pen = undefined));

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const middle = () => ({ x: cursor.x + 0.5, y: cursor.y + 0.5 });
canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in ARROWS) {
    const from = middle();
    const [x, y] = ARROWS[event.key];
    cursor.x = Math.min(SIDE - 1, Math.max(0, cursor.x + x));
    cursor.y = Math.min(SIDE - 1, Math.max(0, cursor.y + y));
    if (event.shiftKey) line(from, middle());
  } else if (event.key === " ") {
    line(middle(), middle());
  } else if (event.key === "Delete" || event.key === "Backspace") {
    pixels.fill(0);
  } else {
    return;
  }
  event.preventDefault();
  changed();
});
for (const look of ["focus", "blur"]) canvas.addEventListener(look, changed);
find("clear").addEventListener("click", () => {
  pixels.fill(0);
  changed();
});

// Pictures and report ------------------------------------------------------------------------------------------------------------

const fetched = async (file) => {
  const response = await fetch(file);
  if (!response.ok) throw new Error(`${file}: ${response.status}`);
  return response;
};
const bytes = async (file) => new Uint8Array(await (await fetched(file)).arrayBuffer());
const [pictures, labels, said] = await Promise.all([
  bytes("pictures.bin"),
  bytes("labels.bin"),
  fetched("fashion.json").then((response) => response.json()),
]);

labels.forEach((label, index) => {
  const picture = pictures.subarray(index * SIDE * SIDE, (index + 1) * SIDE * SIDE);
  const small = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  paint(small.getContext("2d"), picture);
  const button = element("button", "", small);
  Object.assign(button, { type: "button", title: CLASSES[label], ariaLabel: `Picture ${index + 1}: ${CLASSES[label]}` });
  button.addEventListener("click", () => {
    pixels.set(picture);
    changed();
  });
  find("pictures").append(button);
});
pixels.set(pictures.subarray(0, SIDE * SIDE));
find("version").textContent = said.version;
show(find("fashion-report"), said.report, said.glance);
changed();

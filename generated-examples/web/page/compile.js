// The compiler: a file in, its problems or its report and its crate out. It works in a worker, so that the page stays alive.

import { element, inPage, show } from "./report.js";

const find = (id) => document.getElementById(id);

let worker;
let number = 0;
const open = new Map();

/** Ends what is running, and whatever state it was in. */
function dismiss(reason) {
  worker?.terminate();
  worker = undefined;
  open.forEach(({ reject }) => reject(new Error(reason)));
  open.clear();
}

/** Asks the worker; the first question starts it. */
function ask(what, ...given) {
  if (!worker) {
    worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.onerror = (event) => dismiss(event.message || "the compiler could not be loaded");
    worker.onmessage = ({ data: { id, value, problems, fault, broken } }) => {
      const { resolve, reject } = open.get(id) ?? {};
      open.delete(id);
      if (problems) reject(Object.assign(new Error("problems"), { problems }));
      else if (fault) reject(new Error(fault));
      else resolve?.(value);
      // After a fault its memory may hold anything.
      if (broken) dismiss("the compiler was started anew");
    };
  }
  const id = number++;
  return new Promise((resolve, reject) => {
    open.set(id, { resolve, reject });
    worker.postMessage({ id, what, given });
  });
}

function problem({ error, code, place, message, help }) {
  const item = element("li", error ? "error" : "warning", element("strong", "", `${code} `));
  if (place) item.append(element("span", "place", `at ${place}: `));
  item.append(message);
  if (help) item.append(element("span", "help", `What to do: ${help}`));
  return item;
}

const list = (problems) => find("problems").replaceChildren(...problems.map(problem));

let current = 0;
let name = "net";

/** Compiles a file, whose weights may lie in others. */
async function compile(file, read) {
  const mine = ++current;
  if (open.size) dismiss("another file");
  find("result").hidden = true;
  list([]);
  find("stop").hidden = false;
  const state = find("state");
  state.textContent = `Compiling ${file}…`;
  try {
    const [model, ...others] = await read();
    if (mine !== current) return;
    const start = performance.now();
    const compiled = await ask("compile", model, others, find("level").value);
    if (mine !== current) return;
    const seconds = (performance.now() - start) / 1000;
    const warnings = compiled.warnings.length;
    state.textContent = `${file}: compiled in ${seconds.toFixed(seconds < 10 ? 2 : 0)} s`;
    if (warnings) state.textContent += `, with ${warnings === 1 ? "one warning" : `${warnings} warnings`}`;
    name = compiled.name;
    list(compiled.warnings);
    show(find("report"), compiled.report, compiled.glance);
    find("result").hidden = false;
  } catch (e) {
    if (mine !== current) return;
    const count = e.problems?.length;
    state.textContent = count ? `${file} cannot be compiled: ${count === 1 ? "one problem" : `${count} problems`}` : `${file}: ${e.message}`;
    list(e.problems ?? []);
  }
  find("stop").hidden = true;
}

/** Does what can fail, and says so. */
async function told(work) {
  try {
    await work();
  } catch (e) {
    find("state").textContent = e.message;
    list(e.problems ?? []);
  }
}

const named = async (file) => ({ name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) });

/** Takes the files that were chosen or dropped: one model, and perhaps what it keeps its weights in. */
function take(files) {
  const [first, ...others] = [...files].sort((a, b) => b.name.endsWith(".onnx") - a.name.endsWith(".onnx"));
  if (first) compile(first.name, () => Promise.all([first, ...others].map(named)));
}

find("file").addEventListener("change", (event) => {
  take(event.target.files);
  // The same file may be chosen again, when it has changed.
  event.target.value = "";
});
find("example").addEventListener("click", () =>
  compile("fashion.onnx", async () => {
    const response = await fetch("fashion.onnx");
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    return [{ name: "fashion.onnx", bytes: new Uint8Array(await response.arrayBuffer()) }];
  }),
);
find("stop").addEventListener("click", () => {
  current++;
  dismiss("stopped");
  find("state").textContent = "Stopped";
  find("stop").hidden = true;
});

find("level").addEventListener("change", async (event) => {
  const level = event.target.value;
  await told(async () => (document.querySelector("#report .glance").textContent = inPage(await ask("glance", level))));
});

find("download").addEventListener("submit", async (event) => {
  event.preventDefault();
  const face = find("face").value;
  await told(async () => {
    const archive = await ask("archive", face === "c", face === "web");
    const link = element("a");
    link.href = URL.createObjectURL(new Blob([archive], { type: "application/zip" }));
    link.download = `${name}.zip`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  });
});

// The whole page takes files: one that misses the box must not replace it.
const drop = find("drop");
addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
addEventListener("dragleave", (event) => event.relatedTarget || drop.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  take(event.dataTransfer.files);
});

// What the compiler says of a network, as elements: the same for the example and for a file that was dropped.

/** An element with its class and what is in it: texts and elements. */
export function element(name, kind, ...inside) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.append(...inside);
  return made;
}

/** Three digits and a unit. */
function amount(value) {
  const [divisor, unit] = value >= 1e9 ? [1e9, " G"] : value >= 1e6 ? [1e6, " M"] : value >= 1e3 ? [1e3, " k"] : [1, ""];
  const scaled = value / divisor;
  return scaled.toFixed(divisor === 1 || scaled >= 100 ? 0 : scaled >= 10 ? 1 : 2) + unit;
}

const bytes = (value) => (value >= 1000 ? `${amount(value)}B` : `${value} bytes`);

/** A bar of so much of a whole. */
export function bar(share) {
  const inside = element("i");
  inside.style.setProperty("--share", `${(100 * share).toFixed(1)}%`);
  const made = element("span", "bar", inside);
  made.setAttribute("aria-hidden", "true");
  return made;
}

/** The glance without what is so on a command line alone: its last line, on how to see every block, and that the time is one "here". */
export const inPage = (glance) => glance.replace(/\n+`--all`.*\n?$/, "").replace(/^(time .*?) here \(/m, "$1 (");

function scrolling(label, inside) {
  const made = element("div", "scroll", inside);
  // Who has no mouse scrolls by keys.
  Object.assign(made, { tabIndex: 0, ariaLabel: label, role: "region" });
  return made;
}

function table(blocks) {
  const most = Math.max(1, ...blocks.map((block) => block.macs));
  const rows = blocks.map((block) => {
    const name = element("th", "", block.name, element("span", "kind", `${block.kind}, ${block.geometry}`));
    name.scope = "row";
    const macs = element("td", block.binary ? "number" : "number real", block.macs ? amount(block.macs) : "");
    if (block.macs) macs.append(bar(block.macs / most));
    const weights = element("td", "number", block.weight_bytes ? bytes(block.weight_bytes) : "");
    const words = element("td", "words", block.fused.join(", "));
    if (block.reason) words.append(element("span", "kind", block.reason));
    return element("tr", "", name, macs, weights, words);
  });
  const heads = ["Block", "MACs", "Weights", "What became one piece; why it is not binary or not fused"];
  const head = heads.map((text) => Object.assign(element("th", "", text), { scope: "col" }));
  return element("table", "", element("thead", "", element("tr", "", ...head)), element("tbody", "", ...rows));
}

/** Fills a place with a report, as `xnorc inspect --json` has it, and the glance, as `xnorc inspect` prints it. */
export function show(place, report, glance) {
  const totals = report.totals;
  const all = totals.binary_macs + totals.real_macs;
  const port = ({ name, shape }) => `${name} [${shape.join(", ")}]`;
  const tiles = [
    ["binary", all ? `${((100 * totals.binary_macs) / all).toFixed(1)} %` : "none"],
    ["MACs", amount(all)],
    ["weights", bytes(totals.weights_file_bytes)],
    ["scratch memory", bytes(totals.scratch_bytes)],
  ];
  const tile = ([word, value]) => element("div", "", element("dt", "", word), element("dd", "", value));
  const kind = (word, name) => element("span", "", element("i", name), word);
  place.replaceChildren(
    element("dl", "tiles", ...tiles.map(tile)),
    element("p", "small", `${report.inputs.map(port).join("; ")} → ${report.outputs.map(port).join("; ")}`),
    element("h3", "", "At a glance"),
    scrolling("At a glance", element("pre", "glance", inPage(glance))),
    element("h3", "", `Every block (${report.blocks.length})`),
    element("p", "legend", "Multiply-accumulates (MACs): ", kind("binary", ""), kind("real", "real")),
    scrolling("Every block", table(report.blocks)),
  );
  if (report.notes.length) {
    place.append(element("h3", "", "Notes"), element("ul", "", ...report.notes.map((note) => element("li", "", note))));
  }
}

// Runs a module that writes text through `host.write` from its export `run`.
import { readFile } from "node:fs/promises";
import { writeSync } from "node:fs";
import { setFlagsFromString } from "node:v8";

// On by default in newer engines.
setFlagsFromString("--experimental-wasm-relaxed-simd");

let memory;
const write = (start, length) => {
  let bytes = new Uint8Array(memory.buffer, start >>> 0, length);
  while (bytes.length > 0) bytes = bytes.subarray(writeSync(1, bytes));
};
const { instance } = await WebAssembly.instantiate(await readFile(process.argv[2]), { host: { write } });
memory = instance.exports.memory;
instance.exports.run();

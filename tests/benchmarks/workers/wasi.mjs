// A WASI module in this node, with the folder of the answer to write to: MODULE.wasm INPUT.npy ANSWER.f32
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setFlagsFromString } from "node:v8";
import { WASI } from "node:wasi";

// On by default in newer engines.
setFlagsFromString("--experimental-wasm-relaxed-simd");
const [module, picture, answer] = process.argv.slice(2);
const folders = [dirname(picture), dirname(answer)];
const wasi = new WASI({
  version: "preview1",
  args: [module, picture, answer],
  preopens: Object.fromEntries(folders.map((folder) => [folder, folder])),
});
const compiled = await WebAssembly.compile(await readFile(module));
wasi.start(await WebAssembly.instantiate(compiled, wasi.getImportObject()));

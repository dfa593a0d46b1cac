// onnxruntime-web on one thread, otherwise as it is: MODEL.onnx INPUT.npy ANSWER.f32 PACKAGES. The loop is that of
// `serve.py`.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const [model, picture, answer, packages] = process.argv.slice(2);
const ort = createRequire(join(packages, "package.json"))("onnxruntime-web");
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(readFileSync(model), { executionProviders: ["wasm"] });

// numpy's `save` of little-endian f32, version 1.
const bytes = readFileSync(picture);
const header = 10 + bytes.readUInt16LE(8);
const shape = bytes
  .toString("latin1", 10, header)
  .match(/'shape': \(([^)]*)\)/)[1]
  .split(",")
  .filter((n) => n.trim())
  .map(Number);
const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset + header, bytes.byteOffset + bytes.length));
const feed = { [session.inputNames[0]]: new ort.Tensor("float32", values, shape) };
const infer = async () => (await session.run(feed))[session.outputNames[0]].data;

writeFileSync(answer, Buffer.from((await infer()).slice().buffer));
console.log(JSON.stringify({ version: ort.env.versions.web }));
for await (const line of createInterface({ input: process.stdin })) {
  const times = [];
  for (let i = 0; i < Number(line); i++) {
    const start = performance.now();
    await infer();
    times.push(performance.now() - start);
  }
  console.log(JSON.stringify(times));
}
process.exit(0);

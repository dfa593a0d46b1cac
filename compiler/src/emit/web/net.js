
// What the engine can do is asked for by modules of a few bytes. SIMD128: a function that returns a vector.
const SIMD = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123]);
// Relaxed SIMD: (a, c) => a * a + c.
const MULTIPLY_ADD = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 125, 125, 1, 125, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 22, 1, 20, 0, 32, 0, 253, 19,
  32, 0, 253, 19, 32, 1, 253, 19, 253, 133, 2, 253, 31, 0, 11,
]);

/** Whether multiply-add rounds once here, as everywhere else: then relaxed SIMD gives the same bits, and is faster. */
function isFused() {
  if (!WebAssembly.validate(MULTIPLY_ADD)) return false;
  const { f } = new WebAssembly.Instance(new WebAssembly.Module(MULTIPLY_ADD)).exports;
  return f(1 + 2 ** -12, -1 - 2 ** -11) === 2 ** -24;
}

const IN_NODE = typeof process === "object" && typeof process.versions?.node === "string";

async function compiled(source) {
  if (source instanceof WebAssembly.Module) return source;
  if (ArrayBuffer.isView(source) || source instanceof ArrayBuffer) return WebAssembly.compile(source);
  if (IN_NODE && new URL(source).protocol === "file:") {
    const { readFile } = await import(/* webpackIgnore: true */ /* @vite-ignore */ "node:fs/promises");
    return WebAssembly.compile(await readFile(new URL(source)));
  }
  const response = await fetch(source);
  if (!response.ok) throw new Error(`${source}: ${response.status} ${response.statusText}`);
  // A server that does not know the type sends another one, which no engine takes as a stream.
  const streams = response.headers.get("Content-Type")?.startsWith("application/wasm");
  return streams ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
}

export async function load(source) {
  if (!WebAssembly.validate(SIMD)) throw new Error(`${NAME}: this engine has no SIMD for WebAssembly, as all have had since 2023`);
  if (source !== undefined) return new Net("given", await WebAssembly.instantiate(await compiled(source)));
  if (isFused()) {
    // Without the second file, the first one does.
    const module = await compiled(RELAXED).catch(() => undefined);
    if (module) return new Net("relaxed-simd", await WebAssembly.instantiate(module));
  }
  return new Net("simd128", await WebAssembly.instantiate(await compiled(SIMD128)));
}

/** What is wrong with an array of the caller's, if anything is. */
function check(port, side, values) {
  const shape = port.shape.join(" x ");
  const wanted = `${NAME}: ${side} "${port.name}" takes ${port.length} numbers (${shape || "a scalar"})`;
  if (typeof values?.length !== "number" || typeof values === "string") throw new TypeError(`${wanted}, in an array`);
  if (values.length !== port.length) throw new RangeError(`${wanted}, not ${values.length}`);
  return values;
}

class Net {
  inputs = INPUTS;
  outputs = OUTPUTS;
  #exports;
  #addresses = [];
  #given = [];
  #computed = [];

  constructor(level, { exports }) {
    this.level = level;
    this.#exports = exports;
    // Nothing in the module allocates: what lies behind its own data is ours.
    let end = exports.__heap_base.value;
    const kinds = {
      f32: Float32Array,
      i64: BigInt64Array,
      u8: Uint8Array,
      i8: Int8Array,
      u16: Uint16Array,
      i16: Int16Array,
      u32: Uint32Array,
      i32: Int32Array,
    };
    const place = (bytes) => {
      const address = Math.ceil(end / ALIGN) * ALIGN;
      end = address + bytes;
      this.#addresses.push(address);
      return address;
    };
        const places = [...INPUTS, ...OUTPUTS].map(({ length, type }) => place(length * kinds[type].BYTES_PER_ELEMENT));
    place(SCRATCH_BYTES);
    const missing = end - exports.memory.buffer.byteLength;
    if (missing > 0) exports.memory.grow(Math.ceil(missing / 65536));
    const view = ({ length, type }, index) => new kinds[type](exports.memory.buffer, places[index], length);
    const views = [...INPUTS, ...OUTPUTS].map(view);
    this.#given = views.slice(0, INPUTS.length);
    this.#computed = views.slice(INPUTS.length);
  }

  infer(input) {
    this.#run(input);
    const outputs = this.#computed.map((view) => view.slice());
    return outputs.length === 1 ? outputs[0] : Object.fromEntries(OUTPUTS.map(({ name }, index) => [name, outputs[index]]));
  }

  inferInto(input, output) {
    const targets = OUTPUTS.map((port) => check(port, "output", OUTPUTS.length === 1 ? output : output?.[port.name]));
    this.#run(input);
    targets.forEach((target, index) => target.set(this.#computed[index]));
  }

  #run(input) {
    const sources = INPUTS.map((port) => check(port, "input", INPUTS.length === 1 ? input : input?.[port.name]));
    sources.forEach((source, index) => this.#given[index].set(source));
    const error = this.#exports[`${NAME}_infer`](...this.#addresses);
    if (error !== 0) throw new Error(`${NAME}: error ${error}`);
  }
}

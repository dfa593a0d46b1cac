// The compiler's side: what it is asked, and what it answers or stumbles over.

import init, { Beside, compile, fault } from "./web_compiler.js";

const ready = init();
let compiled;

const answers = {
  compile(model, others, level) {
    compiled?.free();
    compiled = undefined;
    const beside = new Beside();
    for (const { name, bytes } of others) beside.add(name, bytes);
    compiled = compile(model.bytes, model.name, beside);
    const [report, warnings] = [JSON.parse(compiled.report()), JSON.parse(compiled.warnings())];
    return { name: compiled.name, report, warnings, glance: compiled.glance(level) };
  },
  glance: (level) => compiled.glance(level),
  archive: (c, web) => compiled.archive(c, web),
};

/** The fault that stopped the compiler. One that is no panic (the stack, the memory) says so itself. */
function stumbled(error) {
  const [problem] = JSON.parse(fault());
  if (problem.message.endsWith(": ")) problem.message += error.message;
  return [problem];
}

addEventListener("message", async ({ data: { id, what, given } }) => {
  try {
    await ready;
  } catch (error) {
    return postMessage({ id, fault: `the compiler could not be loaded: ${error.message}`, broken: true });
  }
  try {
    postMessage({ id, value: answers[what](...given) });
  } catch (error) {
    // Texts are the problems of the model, as the compiler says them.
    if (typeof error === "string") return postMessage({ id, problems: JSON.parse(error) });
    postMessage({ id, problems: stumbled(error), broken: true });
  }
});

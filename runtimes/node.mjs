// Runs a graph once: the request comes as JSON on the standard input, the shape of the output goes to the standard output.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const request = JSON.parse(readFileSync(0, "utf8"));
const ort = createRequire(`${request.modules}/`)(request.package);
ort.env.wasm.numThreads = 1; // or the wasm build starts workers, which Node keeps waiting for

const arrays = { float32: Float32Array, uint8: Uint8Array };
const bytes = readFileSync(request.input.file);
const values = new arrays[request.input.type](new Uint8Array(bytes).buffer);

const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(request.graph)), {
  executionProviders: [request.provider],
  intraOpNumThreads: 1,
});
const [count, ...shape] = request.input.shape;
const each = shape.reduce((product, length) => product * length, 1);
const found = [];
let classes;
for (let start = 0; start < count; start += request.input.part) {
  const end = Math.min(count, start + request.input.part);
  const input = new ort.Tensor(request.input.type, values.slice(start * each, end * each), [end - start, ...shape]);
  const results = await session.run({ [session.inputNames[0]]: input });
  const output = results[session.outputNames[request.output.position]];
  found.push(Buffer.from(new Uint8Array(output.data.buffer, output.data.byteOffset, output.data.byteLength)));
  [, ...classes] = output.dims;
}
writeFileSync(request.output.file, Buffer.concat(found));
console.log(JSON.stringify([count, ...classes]));
process.exit(0);

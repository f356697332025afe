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
});
const input = new ort.Tensor(request.input.type, values, request.input.shape);
const results = await session.run({ [session.inputNames[0]]: input });
const output = results[session.outputNames[request.output.position]];
writeFileSync(request.output.file, new Uint8Array(output.data.buffer, output.data.byteOffset, output.data.byteLength));
console.log(JSON.stringify(output.dims));
process.exit(0);

/** The nets in onnxruntime-web: Python's answers, and the proof, green and red. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as runtime from "../../../site/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs";
import { Net, rank } from "../../../site/scripts/engine/net.js";
import { decode } from "../../../site/scripts/engine/picture.js";
import { GRAPHS, prove } from "../../../site/scripts/engine/prove.js";

runtime.env.wasm.numThreads = 1;
const read = (path) => new Uint8Array(readFileSync(path));
const bundle = async (name) => read(`${process.env.BUNDLE}/${name}`);
const answers = JSON.parse(readFileSync(`${process.env.FIXTURES}/answers.json`, "utf-8"));
const report = JSON.parse(readFileSync(`${process.env.BUNDLE}/report.json`, "utf-8"));

for (const [file, expected] of Object.entries(answers)) {
  test(`${file} answers as in Python`, async () => {
    const net = await Net.open(runtime, await bundle(file), file);
    const found = await net.classify(await decode(read(`${process.env.FIXTURES}/cat.png`)));
    const worst = Math.max(...found.logits.map((value, index) => Math.abs(value - expected.logits[index])));
    assert.ok(worst < 1e-3, `${worst}`);
    assert.deepEqual(found.top.map((each) => each.label), expected.top.map(([label]) => label));
    found.top.forEach((each, index) => assert.ok(Math.abs(each.probability - expected.top[index][1]) < 1e-3));
    await net.session.release();
  });
}

test("a bundle proves itself, within the limits that Python's report states", async () => {
  const rows = await prove(runtime, { names: null, read: bundle }, () => {});
  assert.deepEqual(rows.filter((row) => !row.passed), []);
  const limits = new Map(report.checks.map((check) => [check.name, check.limit]));
  const outputs = rows.filter((row) => row.kind === "outputs");
  assert.equal(outputs.length, 2 * GRAPHS.length);
  for (const row of outputs) {
    const title = row.name.replace(", tensors", "");
    assert.equal(row.limit, limits.get(`${title}: golden outputs / ONNX Runtime`), row.name);
  }
});

test("a flipped byte in any file is found, and one in the weights changes the outputs", async () => {
  const flipped = async (name) => {
    const content = await bundle(name);
    if (name === "onnx/model.onnx") content[content.length >> 1] ^= 0x40;
    return content;
  };
  const rows = await prove(runtime, { names: null, read: flipped }, () => {});
  const failed = rows.filter((row) => !row.passed).map((row) => row.name);
  assert.ok(failed.includes("onnx/model.onnx"), failed.join());
  assert.ok(!failed.includes("onnx/model_fp16.onnx"));
});

test("a file that SHA256SUMS does not list is told", async () => {
  const rows = await prove(runtime, { names: ["extra.txt", "model.sig"], read: bundle }, () => {});
  assert.deepEqual(rows.filter((row) => !row.passed).map((row) => row.name), ["extra.txt"]);
});

test("a graph without a description is refused", async () => {
  await assert.rejects(Net.open(runtime, new Uint8Array(), "x.onnx"), { name: "DamagedError", message: /does not say how to prepare/ });
});

test("a graph that contradicts its description is refused", async () => {
  const content = Buffer.from(await bundle("onnx/model.onnx")).toString("latin1");
  const other = content.replace('"size": 32', '"size": 64').replace('"preprocessing_inside": false', '"preprocessing_inside": true ');
  assert.notEqual(other, content);
  await assert.rejects(Net.open(runtime, new Uint8Array(Buffer.from(other, "latin1")), "x.onnx"), { name: "DamagedError", message: /contradicts itself/ });
});

test("ranks as Python does: temperature, order of equals, names", () => {
  assert.deepEqual(rank([0, 1, 1], ["a", "b"], 2, 1).map((each) => each.label), ["b", "class 2"]);
  const [first] = rank([0, 2], ["a", "b"], 5, 2);
  assert.ok(Math.abs(first.probability - Math.E / (1 + Math.E)) < 1e-12);
  assert.equal(rank(new Float32Array(1 << 20), [], 1, 1)[0].label, "class 0");
  assert.throws(() => rank([Number.NaN], [], 1, 1), /no finite numbers/);
});

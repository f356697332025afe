/** Files that nobody vouches for: zips, SHA256SUMS, safetensors, .onnx metadata, descriptions. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { crc32 } from "../../../site/scripts/engine/bytes.js";
import { readDescription } from "../../../site/scripts/engine/description.js";
import { readMetadata } from "../../../site/scripts/engine/onnx.js";
import { readSafetensors } from "../../../site/scripts/engine/safetensors.js";
import { readSums } from "../../../site/scripts/engine/sums.js";
import { readZip } from "../../../site/scripts/engine/zip.js";

const read = (path) => new Uint8Array(readFileSync(path));
const bundle = (name) => read(`${process.env.BUNDLE}/${name}`);
const text = (words) => new TextEncoder().encode(words);
const refuses = (name, act, message) => test(`refused: ${name}`, () => assert.rejects(async () => act(), { name: "DamagedError", message }));

for (const kind of ["deflated", "stored"]) {
  test(`a ${kind} zip holds the bundle's files`, async () => {
    const files = await readZip(read(`${process.env.FIXTURES}/${kind}.zip`));
    const names = [...readSums(files.get("SHA256SUMS")).keys()];
    assert.deepEqual(new Set(files.keys()), new Set([...names, "SHA256SUMS"]));
    for (const name of names) assert.deepEqual(Buffer.from(files.get(name)), Buffer.from(bundle(name)));
  });
}

/** A zip of stored files, whose directory can lie. */
function zip(...files) {
  const parts = [];
  const directory = [];
  let at = 0;
  for (const { name, content = text("x"), claims = {} } of files) {
    const label = text(name);
    const { flags = 0, method = 0, length = content.length, sum = 0, packed = content.length } = claims;
    const local = Buffer.alloc(30 + label.length);
    local.write("PK\x03\x04", 0, "latin1");
    local.writeUInt16LE(label.length, 26);
    local.set(label, 30);
    const entry = Buffer.alloc(46 + label.length);
    entry.write("PK\x01\x02", 0, "latin1");
    entry.writeUInt16LE(flags, 8);
    entry.writeUInt16LE(method, 10);
    entry.writeUInt32LE(sum, 16);
    entry.writeUInt32LE(packed, 20);
    entry.writeUInt32LE(length, 24);
    entry.writeUInt16LE(label.length, 28);
    entry.writeUInt32LE(at, 42);
    entry.set(label, 46);
    parts.push(local, content);
    directory.push(entry);
    at += local.length + content.length;
  }
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", 0, "latin1");
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(at, 16);
  return new Uint8Array(Buffer.concat([...parts, ...directory, end]));
}

test("what file managers and the Hub's client add to a zipped folder is left out", async () => {
  const added = ["__MACOSX/net/._SHA256SUMS", "net/.DS_Store", "net/.gitattributes", "net/.cache/hub/x", "net/onnx/._model.onnx", "net/Thumbs.db"];
  const claims = { sum: crc32(text("x")) };
  const files = await readZip(zip(...[...added, "net/SHA256SUMS", "net/onnx/model.onnx"].map((name) => ({ name, claims }))));
  assert.deepEqual([...files.keys()], ["SHA256SUMS", "onnx/model.onnx"]);
});

for (const name of ["../x", "a/../../x", "/etc/x", "a\\x", "a//x", "./x", "a\0x", "C:x"]) {
  refuses(`a zip with ${JSON.stringify(name)}`, () => readZip(zip({ name })), /which is none of a bundle/);
}
refuses("a zip with a name twice", () => readZip(zip({ name: "x" }, { name: "x" })), /holds "x" twice/);
refuses("a zip that is encrypted", () => readZip(zip({ name: "x", claims: { flags: 1 } })), /encrypted/);
refuses("a zip packed otherwise", () => readZip(zip({ name: "x", claims: { method: 12 } })), /use deflate/);
refuses("a zip with a wrong sum", () => readZip(zip({ name: "x", claims: { sum: 1 } })), /x in the zip is damaged/);
refuses("a zip that claims more", () => readZip(zip({ name: "x", claims: { length: 600 * 2 ** 20 } })), /the zip's files have 629 MB/);
refuses("a zip that is too long inside", () => readZip(zip({ name: "x", claims: { packed: 1000 } })), /truncated/);
refuses("half a zip", () => readZip(zip({ name: "x" }).slice(0, 40)), /no directory/);
refuses("a zip that inflates beyond its size", async () => {
  const zeros = new Uint8Array(1 << 20);
  const stream = new Blob([zeros]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const content = new Uint8Array(await new Response(stream).arrayBuffer());
  await readZip(zip({ name: "x", content, claims: { method: 8, length: 1000 } }));
}, /x in the zip is longer than 1 kB/);

const line = `${"0".repeat(64)}  a`;
for (const [name, content, message] of [
  ["no end of line", line, /no end of line/],
  ["another separator", line.replace("  ", " ") + "\n", /no hash and new name in line 1/],
  ["a name twice", `${line}\n${line}\n`, /no hash and new name in line 2/],
  ["a way out", `${"0".repeat(64)}  ../a\n`, /no file of a bundle/],
  ["an address", `${"0".repeat(64)}  https://evil.example/\n`, /no file of a bundle/],
  ["nothing", "", /lists 0 files/],
]) {
  refuses(`SHA256SUMS with ${name}`, () => readSums(text(content)), message);
}

/** A safetensors file of any header. */
function tensors(header, length = 8) {
  const words = text(typeof header === "string" ? header : JSON.stringify(header));
  const file = Buffer.alloc(8 + words.length + length);
  file.writeBigUInt64LE(BigInt(words.length));
  file.set(words, 8);
  return new Uint8Array(file);
}
const good = { dtype: "F32", shape: [2], data_offsets: [0, 8] };

test("safetensors are read", () => {
  assert.equal(readSafetensors(tensors({ __metadata__: { a: "b" }, x: good }), "f").get("x").data.length, 8);
  assert.ok(readSafetensors(bundle("golden.safetensors"), "f").has("pictures"));
});
for (const [name, content, message] of [
  ["seven bytes", new Uint8Array(7), /truncated/],
  ["a long header", Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255, 1), /longer than it may be/],
  ["no JSON", tensors("{"), /no JSON/],
  ["a list", tensors("[]"), /must be an object/],
  ["an unknown type", tensors({ x: { ...good, dtype: "constructor" } }), /unknown type/],
  ["a negative side", tensors({ x: { ...good, shape: [-2] } }), /no shape/],
  ["another length", tensors({ x: { ...good, shape: [3] } }), /not the length of its shape/],
  ["a place beyond", tensors({ x: { ...good, data_offsets: [8, 16] } }), /not the length/],
  ["an overlap", tensors({ x: good, y: good }), /overlap/],
  ["a gap", tensors({ x: { ...good, data_offsets: [4, 12] } }, 12), /gaps/],
  ["a rest", tensors({ x: good }, 12), /bytes follow/],
]) {
  refuses(`safetensors with ${name}`, () => readSafetensors(content, "f"), message);
}

test("a graph's metadata are read", () => {
  const found = readMetadata(bundle("onnx/model.onnx"));
  assert.equal(readDescription(found.get("diracnet"), "it").format, "fp32");
});
const graph = bundle("onnx/model.onnx");
refuses("half a graph", () => readMetadata(graph.slice(0, 5000)), /truncated/);
refuses("a text as graph", () => readMetadata(text("no graph at all")), /no .onnx file|truncated/);
refuses("a number without end", () => readMetadata(new Uint8Array(30).fill(255)), /no .onnx file/);

const config = JSON.parse(readFileSync(`${process.env.BUNDLE}/config.json`, "utf-8"));
const how = config.preprocessing;
const description = (changes) => readDescription(JSON.stringify({ ...config, ...changes }), "it");
test("a description is read", () => {
  const about = description({});
  assert.deepEqual(about.labels.slice(0, 2), ["airplane", "automobile"]);
  assert.equal(about.temperature, config.temperature);
  assert.equal(description({ temperature: undefined }).temperature, 1);
});
for (const [name, changes, message] of [
  ["no flag", { untrained: "false" }, /untrained="false": must be true or false/],
  ["a cold temperature", { temperature: 0 }, /temperature=0: must be a number from 0.05 to 20/],
  ["no preprocessing", { preprocessing: null }, /preprocessing is missing/],
  ["a huge size", { preprocessing: { ...how, size: 5000 } }, /size=5000/],
  ["half a size", { preprocessing: { ...how, resize: 1.5 } }, /resize=1.5/],
  ["another key", { preprocessing: { ...how, gamma: 2 } }, /gamma is no key/],
  ["another filter", { preprocessing: { ...how, interpolation: "__proto__" } }, /must be one of bilinear, bicubic/],
  ["two channels", { preprocessing: { ...how, mean: [0, 0], std: [1, 1] } }, /mean=\[0,0\]/],
  ["no deviation", { preprocessing: { ...how, std: [0, 1, 1] } }, /std=\[0,1,1\]/],
  ["uneven lists", { preprocessing: { ...how, std: [1] } }, /3 means and 1 deviations/],
  ["labels in a list", { id2label: ["a"] }, /id2label=\["a"\]/],
  ["a hole in the labels", { id2label: { 0: "a", 2: "b" }, num_classes: undefined }, /class 1/],
  ["a long label", { id2label: { 0: "a".repeat(501) }, num_classes: undefined }, /class 0/],
  ["two lines", { id2label: { 0: "a\nb" }, num_classes: undefined }, /class 0/],
  ["one name twice", { id2label: { 0: "a", 1: "a " }, num_classes: undefined }, /one name/],
  ["too few labels", { id2label: { 0: "a" } }, /1 labels for 10 classes/],
  ["half a letter", { name: "\ud800" }, /name=/],
]) {
  refuses(`a description with ${name}`, () => description(changes), message);
}
refuses("a description that is no JSON", () => readDescription("{", "it"), /no JSON/);

/** The proof of a bundle: its hashes, and what its graphs compute for the golden inputs. */

import { DamagedError, require, sha256, utf8 } from "./bytes.js";
import { readDescription } from "./description.js";
import { Net } from "./net.js";
import { floats, readSafetensors } from "./safetensors.js";
import { readSums } from "./sums.js";

/**
 * @typedef {object} Files the files of a bundle, wherever they lie
 * @property {string[] | null} names all there are, where that can be known
 * @property {(name: string) => Promise<Uint8Array<ArrayBuffer>>} read
 */

/**
 * @typedef {object} Row
 * @property {"hash" | "outputs"} kind
 * @property {string} name
 * @property {boolean} passed
 * @property {string} told the figure, or what is wrong
 * @property {number} [figure]
 * @property {number} [limit]
 */

const SUMS = "SHA256SUMS";
const [INPUT, PICTURES, OUTPUT] = ["pixel_values", "pictures", "logits"];
const [GOLDEN, CONFIG, FOLDED] = ["golden.safetensors", "config.json", "model.safetensors"];
const UNLISTED = [SUMS, "model.sig"];

/** What each graph may be off, by the rules of `export/formats/onnx.py`, not by what the bundle says of itself. */
/** @type {{format: string, path: string, limit: (layers: number) => number}[]} */
export const GRAPHS = [
  { format: "fp32", path: "onnx/model", limit: () => 1e-4 },
  { format: "fp16", path: "onnx/model_fp16", limit: (layers) => 3 * 2 ** -11 * Math.sqrt(2 * layers) },
  // Loose, because the golden pictures are unlike those that it was calibrated on.
  { format: "int8", path: "onnx/model_quantized", limit: () => 0.8 },
];

/**
 * Prove a bundle.
 *
 * @param {import("./net.js").Runtime} runtime
 * @param {Files} files
 * @param {(row: Row, done: number, all: number) => void} onRow told each row as it is known
 * @returns {Promise<Row[]>}
 */
export async function prove(runtime, files, onRow) {
  const sums = readSums(await files.read(SUMS));
  for (const name of [GOLDEN, CONFIG, FOLDED, "onnx/model.onnx"]) require(sums.has(name), `SHA256SUMS does not list ${name}: this is no bundle`);
  const graphs = GRAPHS.flatMap(({ format, path, limit }) => [
    { name: `${format}, tensors`, path: `${path}.onnx`, input: INPUT, limit },
    { name: `${format}, pictures`, path: `${path}_pictures.onnx`, input: PICTURES, limit },
  ]).filter(({ path }) => sums.has(path));
  const all = sums.size + graphs.length;
  /** @type {Row[]} */
  const rows = [];
  const tell = (/** @type {Row} */ row) => {
    rows.push(row);
    onRow(row, rows.length, all);
  };
  /** @type {Map<string, Uint8Array<ArrayBuffer>>} */
  const kept = new Map();
  const needed = new Set([GOLDEN, CONFIG, FOLDED, ...graphs.map(({ path }) => path)]);
  for (const [name, expected] of sums) {
    try {
      const content = await files.read(name);
      if (needed.has(name)) kept.set(name, content);
      const passed = (await sha256(content)) === expected;
      tell({ kind: "hash", name, passed, told: passed ? "sha256 as listed" : "altered: its sha256 is another" });
    } catch (error) {
      tell({ kind: "hash", name, passed: false, told: said(error) });
    }
  }
  for (const name of files.names ?? []) {
    if (!sums.has(name) && !UNLISTED.includes(name)) tell({ kind: "hash", name, passed: false, told: `not listed in ${SUMS}` });
  }
  for (const graph of graphs) {
    try {
      const { figure, limit } = await compare(runtime, kept, graph);
      tell({ kind: "outputs", name: graph.name, passed: figure <= limit, told: "", figure, limit });
    } catch (error) {
      tell({ kind: "outputs", name: graph.name, passed: false, told: said(error) });
    }
  }
  return rows;
}

/**
 * @param {import("./net.js").Runtime} runtime
 * @param {Map<string, Uint8Array<ArrayBuffer>>} kept the bundle's files
 * @param {{path: string, input: string, limit: (layers: number) => number}} graph
 * @returns {Promise<{figure: number, limit: number}>} how far its outputs are from the golden ones, and how far they may be
 */
async function compare(runtime, kept, graph) {
  const read = (/** @type {string} */ name) => {
    const content = kept.get(name);
    require(content !== undefined, `${name} is missing`);
    return content;
  };
  const golden = readSafetensors(read(GOLDEN), GOLDEN);
  const layers = [...readSafetensors(read(FOLDED), FOLDED).keys()].filter((name) => name.endsWith(".weight")).length;
  const { features } = readDescription(utf8(read(CONFIG), CONFIG), CONFIG);
  const wanted = [OUTPUT, ...features];
  const tensor = (/** @type {string} */ name) => {
    const found = golden.get(name);
    require(found !== undefined, `${GOLDEN} lacks ${name}`);
    return found;
  };
  const given = tensor(graph.input);
  const batch = given.dtype === "U8" ? given.data : floats(given);
  const net = await Net.open(runtime, read(graph.path), graph.path);
  try {
    require(net.input === graph.input, `${graph.path} takes ${net.input}, and must take ${graph.input}`);
    const found = await net.run(batch, given.shape, wanted);
    const errors = wanted.map((name, index) => relative(floats(tensor(name)), found[index], index ? norm : largest));
    return { figure: Math.max(...errors), limit: graph.limit(layers) };
  } finally {
    await net.session.release();
  }
}

/**
 * @param {Float32Array} expected
 * @param {Float32Array} found
 * @param {(values: Float64Array) => number} measure
 * @returns {number} the difference, as a share of what was expected; infinite if that cannot be said
 */
export function relative(expected, found, measure) {
  if (expected.length !== found.length || ![...expected, ...found].every(Number.isFinite)) return Infinity;
  const difference = Float64Array.from(expected, (value, index) => value - found[index]);
  return measure(difference) / Math.max(measure(Float64Array.from(expected)), 1.1754943508222875e-38);
}

/**
 * @param {Float64Array} values
 * @returns {number}
 */
export function largest(values) {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/**
 * @param {Float64Array} values
 * @returns {number}
 */
export function norm(values) {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}

/**
 * @param {unknown} error
 * @returns {string}
 */
function said(error) {
  if (error instanceof DamagedError) return error.message;
  throw error;
}

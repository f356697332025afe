/** A net in ONNX Runtime: what `export.runtime.Classifier` is in Python. The runtime is given, so that tests bring theirs. */

import { DamagedError, require } from "./bytes.js";
import { crop, normalize } from "./crop.js";
import { readDescription } from "./description.js";
import { readMetadata } from "./onnx.js";

/** @typedef {typeof import("onnxruntime-web")} Runtime */
/** @typedef {{label: string, probability: number}} Prediction */

const KEY = "diracnet";
const OUTPUT = "logits";

/**
 * @typedef {object} Answer
 * @property {Uint8ClampedArray<ArrayBuffer>} pixels what the net saw, (size, size, channels)
 * @property {number[]} logits
 * @property {Prediction[]} top
 * @property {number} ms that the net took
 */

export class Net {
  /**
   * @param {Runtime} runtime
   * @param {import("onnxruntime-web").InferenceSession} session
   * @param {import("./description.js").Description} about
   */
  constructor(runtime, session, about) {
    this.runtime = runtime;
    this.session = session;
    this.about = about;
    this.input = session.inputNames[0];
    this.takesPixels = about.inside;
  }

  /**
   * Open a graph.
   *
   * @param {Runtime} runtime
   * @param {Uint8Array<ArrayBuffer>} content the .onnx file
   * @param {string} what its name, for errors
   * @returns {Promise<Net>}
   */
  static async open(runtime, content, what) {
    const text = readMetadata(content).get(KEY);
    require(text !== undefined, `${what} does not say how to prepare its pictures; was it written by this project?`);
    const about = readDescription(text, `the description inside ${what}`);
    let session;
    try {
      session = await runtime.InferenceSession.create(content, { graphOptimizationLevel: "all", intraOpNumThreads: 1 });
    } catch (error) {
      throw new DamagedError(`ONNX Runtime cannot load ${what}: ${reason(error)}`);
    }
    try {
      checkFit(session, about, what);
    } catch (error) {
      await session.release();
      throw error;
    }
    return new Net(runtime, session, about);
  }

  /**
   * Run the net on a batch.
   *
   * @param {Float32Array | Uint8Array} batch
   * @param {number[]} dims
   * @param {string[]} [outputs]
   * @returns {Promise<Float32Array[]>} the values of each output
   */
  async run(batch, dims, outputs = [OUTPUT]) {
    const tensor =
      batch instanceof Float32Array
        ? new this.runtime.Tensor("float32", batch, dims)
        : new this.runtime.Tensor("uint8", batch, dims);
    let results;
    try {
      results = await this.session.run({ [this.input]: tensor }, outputs);
    } catch (error) {
      throw new DamagedError(`ONNX Runtime cannot run the net: ${reason(error)}`);
    }
    return outputs.map((name) => {
      const { data } = results[name];
      require(data instanceof Float32Array, `the net's output ${name} is not float32`);
      return data;
    });
  }

  /**
   * Classify a picture.
   *
   * @param {import("./picture.js").Picture} picture
   * @param {number} [most] how many classes are told
   * @returns {Promise<Answer>}
   */
  async classify(picture, most = 5) {
    const how = this.about.preprocessing;
    const pixels = crop(picture, how);
    const channels = how.mean.length;
    const start = performance.now();
    const [logits] = this.takesPixels
      ? await this.run(new Uint8Array(pixels.buffer), [1, how.size, how.size, channels])
      : await this.run(normalize(pixels, how), [1, channels, how.size, how.size]);
    const ms = performance.now() - start;
    const classes = this.about.labels.length || logits.length;
    require(logits.length === classes, `the net gives ${logits.length} logits for ${classes} classes`);
    return { pixels, logits: Array.from(logits), top: rank(logits, this.about.labels, most, this.about.temperature), ms };
  }
}

/**
 * @param {ArrayLike<number>} logits
 * @param {string[]} labels
 * @param {number} most
 * @param {number} temperature
 * @returns {Prediction[]} the most probable classes
 */
export function rank(logits, labels, most, temperature) {
  const values = Array.from(logits);
  require(values.every(Number.isFinite), "the net computes no finite numbers: its weights are damaged, or too large for this precision");
  const largest = values.reduce((most, value) => Math.max(most, value), -Infinity);
  const exponentials = values.map((value) => Math.exp((value - largest) / temperature));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials
    .map((value, index) => ({ label: labels[index] ?? `class ${index}`, probability: value / sum }))
    .sort((one, other) => other.probability - one.probability) // stable: the first of equals stays first
    .slice(0, most);
}

/**
 * Check that a graph is a classifier, and that its description is of it.
 *
 * @param {import("onnxruntime-web").InferenceSession} session
 * @param {import("./description.js").Description} about
 * @param {string} what
 */
function checkFit(session, about, what) {
  require(
    session.inputNames.length === 1 && session.outputNames.includes(OUTPUT),
    `${what} is not a classifier: it needs one input, and an output named "logits"`,
  );
  const [input] = session.inputMetadata;
  require(input.isTensor && ["uint8", "float32"].includes(input.type) && input.shape.length === 4, `${what} is not a classifier of pictures`);
  const pixels = input.type === "uint8";
  require(pixels === about.inside, `${what} contradicts itself on its preprocessing`);
  const { size, mean } = about.preprocessing;
  const [, one, two, three] = input.shape;
  const [channels, height, width] = pixels ? [three, one, two] : [one, two, three];
  for (const [side, wanted] of [[channels, mean.length], [height, size], [width, size]]) {
    require(typeof side !== "number" || side === wanted, `${what} contradicts itself: its pictures are ${size}×${size}×${mean.length}, and it takes ${height}×${width}×${channels}`);
  }
  const logits = session.outputMetadata[session.outputNames.indexOf(OUTPUT)];
  require(logits.isTensor && logits.type === "float32" && logits.shape.length === 2, `${what} is not a classifier: its logits are not float32 (batch, classes)`);
  const classes = logits.shape[1];
  require(typeof classes !== "number" || !about.labels.length || classes === about.labels.length, `${what} names ${about.labels.length} labels for ${classes} classes`);
}

/**
 * @param {unknown} error
 * @returns {string} the first line of what a runtime says, shortened
 */
function reason(error) {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n")[0].slice(0, 200);
}

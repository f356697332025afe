/** What files say about a net. Nothing of it is used before it passed its rule; the rules are `zoo/description.py`'s. */

import { DamagedError, require } from "./bytes.js";

const MOST_CHARACTERS = 16 << 20;
const LARGEST = 4096;
const LONGEST_LABEL = 500;

/**
 * @typedef {object} Description
 * @property {import("./crop.js").Preprocessing} preprocessing
 * @property {string[]} labels names of the classes; none if they have no names
 * @property {boolean} untrained whether the weights are initial values
 * @property {number} temperature what logits are divided by before they become probabilities
 * @property {boolean} inside whether the graph normalizes the pictures itself
 * @property {string[]} features inner outputs that the graphs give, too
 * @property {string} name what the net calls itself
 * @property {string} format "fp32", "fp16" …, or nothing
 */

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * @param {string} text JSON
 * @param {string} what its name, for errors
 * @returns {Record<string, unknown>}
 */
export function parseObject(text, what) {
  require(text.length <= MOST_CHARACTERS, `${what} has ${text.length} characters: allowed are ${MOST_CHARACTERS}`);
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new DamagedError(`${what} is damaged: it is no JSON`);
  }
  require(isObject(value), `${what} is damaged: it must be an object`);
  return value;
}

/**
 * Read what a graph's metadata, or a bundle's config.json, say.
 *
 * @param {string} text JSON
 * @param {string} what its name, for errors
 * @returns {Description}
 */
export function readDescription(text, what) {
  const told = parseObject(text, what);
  /** @type {(key: string, holds: boolean, allowed: string) => void} */
  const check = (key, holds, allowed) => require(holds, `${what} is damaged: ${key}=${shown(told[key])}: must be ${allowed}`);
  const { untrained, temperature = 1, preprocessing_inside: inside = false, features = [], num_classes: classes } = told;
  check("untrained", typeof untrained === "boolean", "true or false");
  check("temperature", isNumber(temperature, 0.05, 20), "a number from 0.05 to 20");
  check("preprocessing_inside", typeof inside === "boolean", "true or false");
  check("features", Array.isArray(features) && features.length <= 1000 && features.every((each) => isText(each, 1000)), "a list of texts");
  check("num_classes", classes === undefined || isWhole(classes, 1, 1 << 20), "a whole number from 1 to 1,048,576");
  for (const key of ["name", "weights"]) check(key, told[key] === undefined || isText(told[key], 1000), "a text of 1 to 1,000 characters");
  const labels = readLabels(told.id2label, what);
  require(!labels.length || classes === undefined || classes === labels.length, `${what} names ${labels.length} labels for ${classes} classes`);
  const [name, weights] = [told.name, told.weights].map((each) => (typeof each === "string" ? each : ""));
  return {
    preprocessing: readPreprocessing(told.preprocessing, what),
    labels,
    untrained: untrained === true,
    temperature: Number(temperature),
    inside: inside === true,
    features: /** @type {string[]} */ (features),
    name: weights ? `${name}:${weights}` : name,
    format: isText(told.format, 40) ? told.format : "",
  };
}

/**
 * @param {unknown} value
 * @param {string} what
 * @returns {import("./crop.js").Preprocessing}
 */
function readPreprocessing(value, what) {
  const where = `${what} is damaged: preprocessing`;
  require(isObject(value), `${where} is missing`);
  const { resize, size, interpolation, mean, std, ...rest } = value;
  const [other] = Object.keys(rest);
  require(other === undefined, `${where}.${String(other).slice(0, 60)} is no key; allowed are resize, size, interpolation, mean, std`);
  for (const [key, length] of Object.entries({ resize, size })) {
    require(isWhole(length, 1, LARGEST), `${where}.${key}=${shown(length)}: must be a whole number from 1 to 4,096`);
  }
  require(interpolation === "bilinear" || interpolation === "bicubic", `${where}.interpolation=${shown(interpolation)}: must be one of bilinear, bicubic`);
  require(areNumbers(mean, -1e3, 1e3), `${where}.mean=${shown(mean)}: must be 1 or 3 or 4 numbers from -1000 to 1000`);
  require(areNumbers(std, 1e-6, 1e6), `${where}.std=${shown(std)}: must be 1 or 3 or 4 numbers from 1e-06 to 1e+06`);
  require(mean.length === std.length, `${where} has ${mean.length} means and ${std.length} deviations: must be equally many`);
  return { resize: Number(resize), size: Number(size), interpolation, mean, std };
}

/**
 * @param {unknown} value
 * @param {string} what
 * @returns {string[]}
 */
function readLabels(value, what) {
  require(isObject(value), `${what} is damaged: id2label=${shown(value)}: must be an object from indices to labels`);
  const count = Object.keys(value).length;
  const labels = Array.from({ length: count }, (_, index) => value[String(index)]);
  labels.forEach((label, index) => {
    require(
      isText(label, LONGEST_LABEL) && label.trim() !== "" && !/[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]/.test(label),
      `${what} is damaged: id2label has no name of 1 to ${LONGEST_LABEL} characters on one line for class ${index}`,
    );
  });
  const names = labels.map((label) => String(label));
  require(new Set(names.map((name) => name.trim())).size === count, `${what} is damaged: two classes have one name`);
  return names;
}

/**
 * @param {unknown} value
 * @param {number} low
 * @param {number} high
 * @returns {boolean}
 */
function isNumber(value, low, high) {
  return typeof value === "number" && value >= low && value <= high;
}

/**
 * @param {unknown} value
 * @param {number} low
 * @param {number} high
 * @returns {boolean}
 */
function isWhole(value, low, high) {
  return Number.isInteger(value) && isNumber(value, low, high);
}

/**
 * @param {unknown} value
 * @param {number} low
 * @param {number} high
 * @returns {value is number[]}
 */
function areNumbers(value, low, high) {
  return Array.isArray(value) && [1, 3, 4].includes(value.length) && value.every((each) => isNumber(each, low, high));
}

/**
 * @param {unknown} value
 * @param {number} most
 * @returns {value is string}
 */
function isText(value, most) {
  return typeof value === "string" && value.length > 0 && value.length <= most && !/\p{Surrogate}/u.test(value);
}

/**
 * @param {unknown} value
 * @returns {string} it, shortened
 */
function shown(value) {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** What an .onnx file says about itself: its metadata, read from the protobuf without the graph. */

import { DamagedError, require, utf8 } from "./bytes.js";

const METADATA = 14;
const [KEY, VALUE] = [1, 2];
const MOST_ENTRIES = 1000;

/**
 * @param {Uint8Array} content
 * @returns {Map<string, string>}
 */
export function readMetadata(content) {
  /** @type {Map<string, string>} */
  const found = new Map();
  for (const [field, part] of fields(content)) {
    if (field !== METADATA || !(part instanceof Uint8Array)) continue;
    const entry = new Map(fields(part));
    const [key, value] = [entry.get(KEY), entry.get(VALUE)];
    require(key instanceof Uint8Array && found.size < MOST_ENTRIES, "the .onnx file's metadata are damaged");
    found.set(utf8(key, "a key of the metadata"), value instanceof Uint8Array ? utf8(value, "the metadata") : "");
  }
  return found;
}

/**
 * @param {Uint8Array} content
 * @returns {Generator<[number, Uint8Array | null]>} each field's number, with its bytes if it has some
 */
function* fields(content) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (at >= content.length || scale > 2 ** 63) throw new DamagedError("this is no .onnx file, or a damaged one");
      const byte = content[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < content.length) {
    const tag = varint();
    const [field, wire] = [Math.floor(tag / 8), tag % 8];
    require(field > 0 && [0, 1, 2, 5].includes(wire), "this is no .onnx file, or a damaged one");
    if (wire === 2) {
      const length = varint();
      require(at + length <= content.length, "the .onnx file is truncated");
      yield [field, content.subarray(at, at + length)];
      at += length;
    } else {
      if (wire === 0) varint();
      else at += wire === 1 ? 8 : 4;
      require(at <= content.length, "the .onnx file is truncated");
      yield [field, null];
    }
  }
}

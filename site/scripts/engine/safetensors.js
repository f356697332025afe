/** Reads safetensors files, after their header was checked against their length. */

import { require, utf8, view } from "./bytes.js";
import { isObject, parseObject } from "./description.js";

/** The longest header. */
const MOST_HEADER = 4 << 20;
/** @type {Record<string, number>} */
const BYTES = { BOOL: 1, U8: 1, I8: 1, I16: 2, U16: 2, F16: 2, BF16: 2, I32: 4, U32: 4, F32: 4, F64: 8, I64: 8, U64: 8 };

/** @typedef {{dtype: string, shape: number[], data: Uint8Array<ArrayBuffer>}} Tensor */

/**
 * @param {Uint8Array<ArrayBuffer>} content
 * @param {string} what the file's name, for errors
 * @returns {Map<string, Tensor>}
 */
export function readSafetensors(content, what) {
  require(content.length >= 8, `${what} is truncated`);
  const length = Number(view(content).getBigUint64(0, true));
  require(length <= MOST_HEADER && 8 + length <= content.length, `${what} is damaged: its header is longer than it may be`);
  const header = parseObject(utf8(content.subarray(8, 8 + length), `${what}'s header`), `${what}'s header`);
  const body = content.subarray(8 + length);
  /** @type {Map<string, Tensor>} */
  const tensors = new Map();
  const spans = [];
  for (const [name, told] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const where = `${what} is damaged: the tensor ${name.slice(0, 60)}`;
    require(isObject(told), `${where} is not described`);
    const { dtype, shape, data_offsets: offsets } = told;
    require(typeof dtype === "string" && Object.hasOwn(BYTES, dtype), `${where} has an unknown type`);
    require(isCounts(shape) && shape.length <= 8, `${where} has no shape`);
    require(isCounts(offsets) && offsets.length === 2, `${where} has no place`);
    const [start, end] = offsets;
    const bytes = shape.reduce((product, side) => product * side, BYTES[dtype]);
    require(start <= end && end <= body.length && end - start === bytes, `${where} has not the length of its shape`);
    spans.push([start, end]);
    tensors.set(name, { dtype, shape, data: body.slice(start, end) });
  }
  let at = 0;
  for (const [start, end] of spans.sort((one, other) => one[0] - other[0] || one[1] - other[1])) {
    require(start === at, `${what} is damaged: its tensors overlap or leave gaps`);
    at = end;
  }
  require(at === body.length, `${what} is damaged: bytes follow its tensors`);
  return tensors;
}

/**
 * @param {unknown} value
 * @returns {value is number[]}
 */
function isCounts(value) {
  return Array.isArray(value) && value.every((each) => Number.isSafeInteger(each) && each >= 0);
}

/**
 * @param {Tensor} tensor of type F32
 * @returns {Float32Array<ArrayBuffer>}
 */
export function floats(tensor) {
  require(tensor.dtype === "F32", `a tensor is ${tensor.dtype}, and must be F32`);
  return new Float32Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength / 4);
}

/** Reads zip files, within limits: no name leaves the folder, none stands there twice, nothing inflates beyond its size. */

import { crc32, inflate, require, size, stands, utf8, view } from "./bytes.js";
import { isBelow, isForeign } from "./sums.js";

/** The most that all files may have, packed or not, and how many there may be. */
export const MOST_BYTES = 512 << 20;
const MOST_FILES = 1000;

/** @typedef {{name: string, size: number, packed: number, method: number, sum: number, at: number}} Entry */

/**
 * @param {Uint8Array<ArrayBuffer>} content
 * @returns {boolean}
 */
export function isZip(content) {
  return stands(content, 0, "PK\x03\x04");
}

/**
 * @param {Uint8Array<ArrayBuffer>} content
 * @returns {Promise<Map<string, Uint8Array<ArrayBuffer>>>} the files, without those that others add to a folder; a folder that holds
 *   all of them is left out of their names
 */
export async function readZip(content) {
  require(content.length <= MOST_BYTES, `the zip has ${size(content.length)}: allowed are ${size(MOST_BYTES)}`);
  const listed = directory(content).filter(({ name }) => !name.startsWith("__MACOSX/")); // which Finder adds beside a folder
  const all = commonFolder(listed.map((entry) => entry.name));
  const entries = listed.filter(({ name }) => !isForeign(name.slice(all.length)));
  const total = entries.reduce((sum, entry) => sum + entry.size, 0);
  require(total <= MOST_BYTES, `the zip's files have ${size(total)}: allowed are ${size(MOST_BYTES)}`);
  const top = commonFolder(entries.map((entry) => entry.name));
  const files = new Map();
  for (const entry of entries) files.set(entry.name.slice(top.length), await unpack(content, entry));
  return files;
}

/**
 * @param {Uint8Array} content
 * @returns {Entry[]}
 */
function directory(content) {
  const data = view(content);
  const least = Math.max(0, content.length - 22 - 0xffff);
  let end = content.length - 22;
  while (end >= least && !stands(content, end, "PK\x05\x06")) end--;
  require(end >= least && end >= 0, "the zip is truncated: it has no directory");
  const count = data.getUint16(end + 10, true);
  let at = data.getUint32(end + 16, true);
  require(count === data.getUint16(end + 8, true), "the zip has several parts, which is not read here");
  require(count < 0xffff && at < 0xffffffff, "the zip is one of the 64-bit kind, which is not read here");
  require(count <= MOST_FILES, `the zip holds ${count} files: allowed are ${MOST_FILES}`);
  /** @type {Map<string, Entry>} */
  const found = new Map();
  for (let index = 0; index < count; index++) {
    require(at + 46 <= end && stands(content, at, "PK\x01\x02"), "the zip's directory is damaged");
    const [named, extra, note] = [28, 30, 32].map((offset) => data.getUint16(at + offset, true));
    require(at + 46 + named + extra + note <= end, "the zip's directory is damaged");
    const name = utf8(content.subarray(at + 46, at + 46 + named), "a name in the zip");
    const entry = {
      name,
      method: data.getUint16(at + 10, true),
      sum: data.getUint32(at + 16, true),
      packed: data.getUint32(at + 20, true),
      size: data.getUint32(at + 24, true),
      at: data.getUint32(at + 42, true),
    };
    require((data.getUint16(at + 8, true) & 1) === 0, "the zip is encrypted, which is not read here");
    at += 46 + named + extra + note;
    if (name.endsWith("/") && entry.size === 0) continue;
    require(isBelow(name), `the zip holds a file named ${JSON.stringify(name.slice(0, 60))}, which is none of a bundle`);
    require(!found.has(name), `the zip holds ${JSON.stringify(name.slice(0, 60))} twice`);
    require([0, 8].includes(entry.method), "the zip is packed in a way that is not read here; use deflate");
    found.set(name, entry);
  }
  return [...found.values()];
}

/**
 * @param {Uint8Array<ArrayBuffer>} content
 * @param {Entry} entry
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
async function unpack(content, entry) {
  const what = `${entry.name.slice(0, 60)} in the zip`;
  require(entry.at + 30 <= content.length && stands(content, entry.at, "PK\x03\x04"), `${what} is damaged`);
  const data = view(content);
  const start = entry.at + 30 + data.getUint16(entry.at + 26, true) + data.getUint16(entry.at + 28, true);
  require(start + entry.packed <= content.length, `${what} is truncated`);
  const packed = content.slice(start, start + entry.packed);
  const file = entry.method === 0 ? packed : await inflate(packed, "deflate-raw", entry.size, what);
  require(file.length === entry.size && crc32(file) === entry.sum, `${what} is damaged`);
  return file;
}

/**
 * @param {string[]} names
 * @returns {string} the folder that holds all of them, with its slash, or nothing
 */
function commonFolder(names) {
  const folder = names[0]?.match(/^[^/]+\//)?.[0] ?? "";
  return names.every((name) => name.startsWith(folder)) && folder !== "onnx/" ? folder : "";
}

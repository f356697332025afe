/** SHA256SUMS: the files of a bundle and their hashes. */

import { require, utf8 } from "./bytes.js";

/** The most files that a bundle may list. */
const MOST_FILES = 1000;

/**
 * Tell whether a name is that of a file below a folder, so that it may become an address.
 *
 * @param {string} name
 * @returns {boolean}
 */
export function isBelow(name) {
  const parts = name.split("/");
  return name.length <= 300 && !/[\\\0-\x1f:?#%]/.test(name) && parts.every((part) => part !== "" && part !== "." && part !== "..");
}

/** What Git and the Hub's client add to a bundle's folder, and, in lower case, what file managers add to any: as `export.bundle.sums`. */
export const FOREIGN = [".git", ".gitattributes", ".gitignore", ".cache"];
export const LEFT_BEHIND = [".ds_store", "thumbs.db", "desktop.ini"];

/**
 * @param {string} name of a file below a bundle's folder
 * @returns {boolean} whether others put it there, so that no proof is about it
 */
export function isForeign(name) {
  const parts = name.split("/");
  const last = (parts.at(-1) ?? "").toLowerCase();
  return FOREIGN.includes(parts[0]) || LEFT_BEHIND.includes(last) || last.startsWith("._");
}

/**
 * @param {Uint8Array} content
 * @returns {Map<string, string>} name → sha256 in hexadecimal
 */
export function readSums(content) {
  const lines = utf8(content, "SHA256SUMS").split("\n");
  require(lines.pop() === "", "SHA256SUMS has no end of line at its end");
  require(lines.length > 0 && lines.length <= MOST_FILES, `SHA256SUMS lists ${lines.length} files: allowed are 1 to ${MOST_FILES}`);
  const sums = new Map();
  lines.forEach((line, index) => {
    const match = /^([0-9a-f]{64}) {2}(.+)$/.exec(line);
    require(match !== null && !sums.has(match[2]), `SHA256SUMS has no hash and new name in line ${index + 1}`);
    require(isBelow(match[2]), `SHA256SUMS names in line ${index + 1} what is no file of a bundle`);
    sums.set(match[2], match[1]);
  });
  return sums;
}

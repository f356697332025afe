/**
 * PNG, every type and depth, read here and not by the browser: its canvas multiplies by alpha and rounds, applies gamma,
 * and scales 16 bits its own way. What comes out is what `pixels/` reads: 16-bit channels keep their high byte, and a
 * transparent colour is compared at the file's own depth.
 */

import { crc32, inflate, require, stands, view } from "./bytes.js";
import { orientation, upright } from "./exif.js";

const [GREY, RGB, PALETTE, GREY_ALPHA, RGBA] = [0, 2, 3, 4, 6];
/** @type {Record<number, number>} */
const CHANNELS = { [GREY]: 1, [RGB]: 3, [PALETTE]: 1, [GREY_ALPHA]: 2, [RGBA]: 4 };
/** @type {Record<number, number[]>} */
const DEPTHS = { [GREY]: [1, 2, 4, 8, 16], [RGB]: [8, 16], [PALETTE]: [1, 2, 4, 8], [GREY_ALPHA]: [8, 16], [RGBA]: [8, 16] };
const ADAM7 = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];

/**
 * @typedef {object} Header
 * @property {number} width
 * @property {number} height
 * @property {number} depth
 * @property {number} kind
 * @property {boolean} interlaced
 */

/**
 * @param {Uint8Array} content a file that begins like a PNG
 * @returns {Header}
 */
export function pngHeader(content) {
  require(stands(content, 12, "IHDR") && content.length >= 33, "the PNG has no header");
  const data = view(content);
  const header = {
    width: data.getUint32(16),
    height: data.getUint32(20),
    depth: content[24],
    kind: content[25],
    interlaced: content[28] === 1,
  };
  require(DEPTHS[header.kind]?.includes(header.depth) ?? false, "the PNG's header names no kind of pixels");
  return header;
}

/**
 * @param {Uint8Array<ArrayBuffer>} content the file; whoever calls has bounded its pixels
 * @returns {Promise<import("./picture.js").Picture>}
 */
export async function decodePng(content) {
  const header = pngHeader(content);
  const { width, height, depth, kind, interlaced } = header;
  const chunks = readChunks(content);
  const passes = interlaced ? ADAM7 : [[0, 0, 1, 1]];
  const bits = CHANNELS[kind] * depth;
  const parts = passes
    .map(([x, y, dx, dy]) => ({ x, y, dx, dy, wide: Math.ceil((width - x) / dx), high: Math.ceil((height - y) / dy) }))
    .filter((part) => part.wide > 0 && part.high > 0);
  const rowBytes = (/** @type {number} */ wide) => Math.ceil((wide * bits) / 8);
  const length = parts.reduce((sum, part) => sum + part.high * (1 + rowBytes(part.wide)), 0);
  require(chunks.pixels.length > 0, "the PNG has no pixels");
  // A little more than is needed may follow, as Pillow allows.
  const lines = await inflate(joined(chunks.pixels), "deflate", length + (1 << 16), "the PNG");
  require(lines.length >= length, "the PNG is truncated");

  const data = new Uint8ClampedArray(4 * width * height);
  const paint = painter(header, chunks);
  let at = 0;
  for (const part of parts) {
    const wide = rowBytes(part.wide);
    unfilter(lines, at, part.high, wide, Math.max(1, bits >> 3));
    for (let row = 0; row < part.high; row++) {
      const start = at + row * (wide + 1) + 1;
      const line = lines.subarray(start, start + wide);
      for (let column = 0; column < part.wide; column++) {
        const place = (part.y + row * part.dy) * width + part.x + column * part.dx;
        paint(line, column, data, 4 * place);
      }
    }
    at += part.high * (wide + 1);
  }
  const transparent = kind === GREY_ALPHA || kind === RGBA || chunks.transparency !== null;
  return upright({ width, height, data, transparent }, chunks.orientation);
}

/**
 * @typedef {object} Chunks
 * @property {Uint8Array[]} pixels
 * @property {Uint8Array | null} palette
 * @property {Uint8Array | null} transparency
 * @property {number} orientation
 */

/**
 * @param {Uint8Array} content
 * @returns {Chunks}
 */
function readChunks(content) {
  /** @type {Chunks} */
  const found = { pixels: [], palette: null, transparency: null, orientation: 1 };
  const data = view(content);
  for (let at = 8; at + 8 <= content.length; ) {
    const length = data.getUint32(at);
    const name = String.fromCharCode(...content.subarray(at + 4, at + 8));
    const end = at + 8 + length;
    if (name === "IEND") break;
    require(end + 4 <= content.length, "the PNG is truncated");
    const body = content.subarray(at + 8, end);
    if (name === "IHDR" || name === "PLTE" || name === "IDAT") {
      require(crc32(content.subarray(at + 4, end)) === data.getUint32(end), `the PNG is damaged: the sum of its ${name} is wrong`);
    }
    if (name === "IDAT") found.pixels.push(body);
    else if (name === "PLTE") found.palette = body;
    else if (name === "tRNS") found.transparency = body;
    else if (name === "eXIf") found.orientation = orientation(body);
    at = end + 4;
  }
  return found;
}

/**
 * @param {Uint8Array[]} pieces
 * @returns {Uint8Array<ArrayBuffer>}
 */
function joined(pieces) {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let place = 0;
  for (const piece of pieces) {
    all.set(piece, place);
    place += piece.length;
  }
  return all;
}

/**
 * Undo the filters of the lines of one pass, in place.
 *
 * @param {Uint8Array} lines
 * @param {number} at where the pass begins
 * @param {number} high
 * @param {number} wide bytes of a line, without that of its filter
 * @param {number} step bytes of a pixel, at least 1
 */
function unfilter(lines, at, high, wide, step) {
  for (let row = 0; row < high; row++) {
    const start = at + row * (wide + 1) + 1;
    const above = row ? start - wide - 1 : -1;
    const filter = lines[start - 1];
    require(filter <= 4, "the PNG is damaged: it has an unknown filter");
    if (filter === 0) continue;
    for (let index = 0; index < wide; index++) {
      const left = index >= step ? lines[start + index - step] : 0;
      const up = above >= 0 ? lines[above + index] : 0;
      const corner = above >= 0 && index >= step ? lines[above + index - step] : 0;
      const guess = filter === 1 ? left : filter === 2 ? up : filter === 3 ? (left + up) >> 1 : paeth(left, up, corner);
      lines[start + index] += guess; // modulo 256
    }
  }
}

/**
 * @param {number} left
 * @param {number} up
 * @param {number} corner
 * @returns {number}
 */
function paeth(left, up, corner) {
  const [across, down, both] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  return across <= down && across <= both ? left : down <= both ? up : corner;
}

/**
 * Return what writes one pixel as RGBA.
 *
 * @param {Header} header
 * @param {Chunks} chunks
 * @returns {(line: Uint8Array, column: number, out: Uint8ClampedArray, at: number) => void}
 */
function painter({ kind, depth }, { palette, transparency }) {
  if (kind === PALETTE) {
    require(palette !== null, "the PNG has no palette");
    return (line, column, out, at) => {
      const index = sample(line, column, depth);
      require(3 * index + 2 < palette.length, "the PNG names a colour that its palette lacks");
      for (let channel = 0; channel < 3; channel++) out[at + channel] = palette[3 * index + channel];
      out[at + 3] = transparency?.[index] ?? 255;
    };
  }
  const channels = CHANNELS[kind];
  const colours = kind === RGB || kind === RGBA ? 3 : 1;
  const opaque = channels === colours;
  const scale = depth < 8 ? 255 / (2 ** depth - 1) : 1;
  const key = opaque && transparency ? keyOf(transparency, colours, depth) : null;
  return (line, column, out, at) => {
    let matches = key !== null;
    for (let channel = 0; channel < colours; channel++) {
      const value = sample(line, column * channels + channel, depth);
      if (key !== null && value !== key[channel]) matches = false;
      out[at + channel] = depth === 16 ? value >> 8 : value * scale;
    }
    if (colours === 1) out[at + 1] = out[at + 2] = out[at];
    const alpha = opaque ? 255 : sample(line, column * channels + colours, depth) >> (depth === 16 ? 8 : 0);
    out[at + 3] = matches ? 0 : alpha;
  };
}

/**
 * @param {Uint8Array} transparency
 * @param {number} colours
 * @param {number} depth
 * @returns {number[]} the colour that is transparent, at the file's depth
 */
function keyOf(transparency, colours, depth) {
  require(transparency.length >= 2 * colours, "the PNG is damaged: its transparent colour is cut off");
  const data = view(transparency);
  return Array.from({ length: colours }, (_, channel) => data.getUint16(2 * channel) % 2 ** depth);
}

/**
 * @param {Uint8Array} line
 * @param {number} index of the sample
 * @param {number} depth
 * @returns {number}
 */
function sample(line, index, depth) {
  if (depth === 8) return line[index];
  if (depth === 16) return line[2 * index] * 256 + line[2 * index + 1];
  const bit = index * depth;
  return (line[bit >> 3] >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
}

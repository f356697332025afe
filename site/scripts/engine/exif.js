/** Which way up a camera held a picture. */

import { stands, view } from "./bytes.js";

const ORIENTATION = 0x0112;
const PREFIX = "Exif\0\0";

/**
 * Return the orientation in a block of Exif. What is damaged says nothing: no reason to refuse the pixels.
 *
 * @param {Uint8Array} block a TIFF header and what follows
 * @returns {number} 1 to 8; 1 is upright
 */
export function orientation(block) {
  const little = stands(block, 0, "II*\0");
  if (!little && !stands(block, 0, "MM\0*")) return 1;
  const data = view(block);
  try {
    const start = data.getUint32(4, little);
    const entries = data.getUint16(start, little);
    for (let index = 0; index < entries; index++) {
      const at = start + 2 + 12 * index;
      if (data.getUint16(at, little) !== ORIENTATION) continue;
      const value = data.getUint16(at + 8, little);
      return value >= 1 && value <= 8 ? value : 1;
    }
  } catch {
    // beyond its end
  }
  return 1;
}

/**
 * Return the orientation in a block of XMP, which Pillow asks where Exif says nothing.
 *
 * @param {Uint8Array} block
 * @returns {number} 1 to 8
 */
export function orientationInXmp(block) {
  const found = /tiff:Orientation(?:="|>)([1-8])/.exec(new TextDecoder("latin1").decode(block));
  return found ? Number(found[1]) : 1;
}

/**
 * @typedef {object} Block
 * @property {"exif" | "xmp"} kind
 * @property {number} at where it begins in the file, with its head
 * @property {Uint8Array} content
 */

/**
 * @param {Uint8Array} content a WebP
 * @returns {Generator<Block>}
 */
export function* blocksOfWebp(content) {
  const data = view(content);
  for (let at = 12; at + 8 <= content.length; ) {
    const length = data.getUint32(at + 4, true);
    const block = content.subarray(at + 8, at + 8 + length);
    if (stands(content, at, "EXIF")) yield { kind: "exif", at, content: block };
    if (stands(content, at, "XMP ")) yield { kind: "xmp", at, content: block };
    at += 8 + length + (length % 2);
  }
}

/**
 * @param {Uint8Array} content a JPEG
 * @returns {Generator<Block>}
 */
function* blocksOfJpeg(content) {
  const data = view(content);
  for (let at = 2; at + 8 <= content.length && content[at] === 0xff && content[at + 1] !== 0xda; ) {
    const length = 2 + data.getUint16(at + 2);
    const block = content.subarray(at + 4, at + length);
    if (content[at + 1] === 0xe1) yield { kind: stands(block, 0, PREFIX) ? "exif" : "xmp", at, content: block };
    at += length;
  }
}

/**
 * Find how a JPEG or WebP is to be turned. Browsers follow the Exif of a JPEG alone.
 *
 * @param {Uint8Array} content a file whose head was read already
 * @returns {{exif: number, xmp: number}} 1 to 8 each
 */
export function orientations(content) {
  const found = { exif: 1, xmp: 1 };
  for (const block of stands(content, 0, "RIFF") ? blocksOfWebp(content) : blocksOfJpeg(content)) {
    const start = stands(block.content, 0, PREFIX) ? PREFIX.length : 0;
    found[block.kind] = block.kind === "exif" ? orientation(block.content.subarray(start)) : orientationInXmp(block.content);
  }
  return found;
}

/**
 * Turn a picture upright.
 *
 * @param {import("./picture.js").Picture} picture
 * @param {number} orientation 1 to 8
 * @returns {import("./picture.js").Picture}
 */
export function upright(picture, orientation) {
  if (orientation === 1) return picture;
  const { width, height } = picture;
  const swapped = orientation >= 5;
  const [wide, high] = swapped ? [height, width] : [width, height];
  const from = new Uint32Array(picture.data.buffer, picture.data.byteOffset, width * height);
  const to = new Uint32Array(wide * high);
  // Where the pixel (x, y) of the upright picture lies in the file.
  const right = [2, 3, 7, 8].includes(orientation) ? -1 : 1;
  const down = [3, 4, 6, 7].includes(orientation) ? -1 : 1;
  for (let y = 0; y < high; y++) {
    for (let x = 0; x < wide; x++) {
      const [across, along] = swapped ? [y, x] : [x, y];
      const column = right > 0 ? across : width - 1 - across;
      const row = down > 0 ? along : height - 1 - along;
      to[y * wide + x] = from[row * width + column];
    }
  }
  return { ...picture, width: wide, height: high, data: new Uint8ClampedArray(to.buffer) };
}

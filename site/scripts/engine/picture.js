/**
 * From a file to pixels, by the one rule of `pixels/`. PNG is decoded here; JPEG, WebP, GIF and BMP by the browser, whose
 * decoders give what Pillow's give. What Pillow reads and the browser does not, or reads otherwise, is refused by name.
 */

import { DamagedError, require, size, stands, view } from "./bytes.js";
import { blocksOfWebp, orientations, upright } from "./exif.js";
import { decodePng, pngHeader } from "./png.js";

/**
 * @typedef {object} Picture
 * @property {number} width
 * @property {number} height
 * @property {Uint8ClampedArray<ArrayBuffer>} data RGBA, not multiplied by alpha
 * @property {boolean} transparent whether alpha means anything
 */

/** The longest file, and the most pixels: 256 MB of RGBA. */
export const MOST_BYTES = 100 << 20;
export const MOST_PIXELS = 1 << 26;

/** @type {[string, number, string][]} what stands where in files of kinds that are not read here */
const OTHERS = [
  ["TIFF", 0, "II*\0"],
  ["TIFF", 0, "MM\0*"],
  ["AVIF", 4, "ftypavif"],
  ["AVIF", 4, "ftypavis"],
  ["HEIC", 4, "ftyphei"],
  ["HEIC", 4, "ftypmif1"],
  ["JPEG XL", 0, "\xff\x0a"],
  ["JPEG XL", 4, "JXL "],
  ["JPEG 2000", 4, "jP  "],
  ["PDF", 0, "%PDF"],
  ["PNM", 0, "P5"],
  ["PNM", 0, "P6"],
  ["Photoshop", 0, "8BPS"],
  ["SVG", 0, "<svg"],
];

/**
 * @typedef {object} Kind
 * @property {"PNG" | "JPEG" | "WebP" | "GIF" | "BMP"} name
 * @property {number} width as the file says, not turned
 * @property {number} height
 */

/**
 * Tell what kind of picture a file is and how large, from its first bytes.
 *
 * @param {Uint8Array} content
 * @returns {Kind}
 */
export function kindOf(content) {
  require(content.length > 0, "the file is empty");
  const data = view(content);
  try {
    if (stands(content, 0, "\x89PNG\r\n\x1a\n")) return { name: "PNG", ...pngHeader(content) };
    if (stands(content, 0, "\xff\xd8\xff")) return { name: "JPEG", ...jpegSize(content) };
    if (stands(content, 0, "RIFF") && stands(content, 8, "WEBP")) return { name: "WebP", ...webpSize(content) };
    if (stands(content, 0, "GIF8")) return { name: "GIF", width: data.getUint16(6, true), height: data.getUint16(8, true) };
    if (stands(content, 0, "BM")) {
      // OS/2's header of 12 bytes has sides of 16 bits.
      if (data.getUint32(14, true) === 12) return { name: "BMP", width: data.getUint16(18, true), height: data.getUint16(20, true) };
      return { name: "BMP", width: data.getInt32(18, true), height: Math.abs(data.getInt32(22, true)) };
    }
  } catch (error) {
    if (error instanceof DamagedError) throw error;
    throw new DamagedError("the picture is truncated");
  }
  const other = OTHERS.find(([, at, text]) => stands(content, at, text));
  if (other) throw new DamagedError(`${other[0]} is not read here; save the picture as PNG or JPEG`);
  throw new DamagedError("this file is no picture: choose a PNG, JPEG, WebP, GIF or BMP");
}

/**
 * @param {Uint8Array} content
 * @returns {{width: number, height: number}}
 */
function jpegSize(content) {
  const data = view(content);
  for (let at = 2; at + 4 <= content.length; ) {
    if (content[at] !== 0xff) throw new DamagedError("the JPEG is damaged");
    const marker = content[at + 1];
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      const channels = data.getUint8(at + 9);
      require(channels !== 4, "this JPEG has the colours of ink (CMYK), which browsers read in other ways; save it as RGB");
      return { height: data.getUint16(at + 5), width: data.getUint16(at + 7) };
    }
    at += 2 + (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8) ? 0 : data.getUint16(at + 2));
  }
  throw new DamagedError("the JPEG is truncated");
}

/**
 * @param {Uint8Array} content
 * @returns {{width: number, height: number}}
 */
function webpSize(content) {
  const data = view(content);
  const three = (/** @type {number} */ at) => data.getUint16(at, true) + 65536 * data.getUint8(at + 2) + 1;
  if (stands(content, 12, "VP8X")) return { width: three(24), height: three(27) };
  if (stands(content, 12, "VP8L")) {
    const bits = data.getUint32(21, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  require(stands(content, 12, "VP8 "), "the WebP is damaged");
  return { width: data.getUint16(26, true) & 0x3fff, height: data.getUint16(28, true) & 0x3fff };
}

/**
 * Decode a picture and turn it upright.
 *
 * @param {Uint8Array<ArrayBuffer>} content the file
 * @returns {Promise<Picture>}
 */
export async function decode(content) {
  require(content.length <= MOST_BYTES, `the file has ${size(content.length)}; up to ${size(MOST_BYTES)} are read here`);
  const kind = kindOf(content);
  const pixels = kind.width * kind.height;
  require(kind.width > 0 && kind.height > 0, `the picture has ${kind.width}×${kind.height} pixels`);
  require(
    pixels <= MOST_PIXELS,
    `the picture has ${kind.width}×${kind.height} pixels, that is ${Math.round(pixels / 1e6)} million; ` +
      `up to ${Math.floor(MOST_PIXELS / 1e6)} million are read here. Save it smaller`,
  );
  if (kind.name === "PNG") return decodePng(content);
  const picture = await decodeByBrowser(kind.name === "WebP" ? withoutExif(content) : content, kind);
  if (kind.name !== "JPEG" && kind.name !== "WebP") return picture;
  const { exif, xmp } = orientations(content);
  if (exif === 1) return upright(picture, xmp);
  return kind.name === "JPEG" ? picture : upright(picture, exif); // a JPEG was turned by the browser
}

/**
 * Take the Exif out of a WebP: Chromium passes over it, and others may not.
 *
 * @param {Uint8Array<ArrayBuffer>} content
 * @returns {Uint8Array<ArrayBuffer>}
 */
function withoutExif(content) {
  const plain = content.slice();
  for (const { kind, at } of blocksOfWebp(content)) {
    if (kind === "exif") plain.set([0x58, 0x58, 0x58, 0x58], at); // a chunk of no known kind
  }
  return plain;
}

/**
 * @param {Uint8Array<ArrayBuffer>} content
 * @param {Kind} kind
 * @returns {Promise<Picture>}
 */
async function decodeByBrowser(content, kind) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob([content]), {
      colorSpaceConversion: "none",
      imageOrientation: "from-image",
      premultiplyAlpha: "none",
    });
  } catch {
    throw new DamagedError(`the ${kind.name} is damaged, or of a kind that this browser does not read`);
  }
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  // Read often: kept in memory, where no graphics card rounds.
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  require(context !== null, `this browser has no room for a picture of ${width}×${height} pixels; save it smaller`);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  let transparent = false;
  if (kind.name !== "JPEG") for (let at = 3; at < data.length && !transparent; at += 4) transparent = data[at] !== 255;
  return { width, height, data: new Uint8ClampedArray(data), transparent };
}

/** Bytes from files that nobody vouches for: inflated within a limit, summed, read as text and numbers. */

/** What a file says is missing, of the wrong kind or out of range; the text is for people. */
export class DamagedError extends Error {
  name = "DamagedError";
}

/**
 * @param {boolean} holds
 * @param {string} text what is wrong otherwise
 * @returns {asserts holds}
 */
export function require(holds, text) {
  if (!holds) throw new DamagedError(text);
}

/**
 * @param {number} count
 * @returns {string} for people: "1.48 MB"
 */
export function size(count) {
  for (const [step, unit] of /** @type {[number, string][]} */ ([[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]])) {
    if (count >= 0.9995 * step) return `${Number((count / step).toPrecision(3))} ${unit}`;
  }
  return `${count} B`;
}

/**
 * Collect a stream.
 *
 * @param {ReadableStream<Uint8Array>} stream
 * @param {number} most the most bytes that it may have
 * @param {string} what the stream's name, for the error
 * @param {(done: number) => void} [onProgress] told how many bytes are there
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function collect(stream, most, what, onProgress) {
  const reader = stream.getReader();
  /** @type {Uint8Array[]} */
  const pieces = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > most) {
      reader.cancel().catch(() => {}); // it may have failed meanwhile, which no longer matters
      throw new DamagedError(`${what} is longer than ${size(most)}`);
    }
    pieces.push(value);
    onProgress?.(length);
  }
  const all = new Uint8Array(length);
  let place = 0;
  for (const piece of pieces) {
    all.set(piece, place);
    place += piece.length;
  }
  return all;
}

/**
 * Inflate what deflate made.
 *
 * @param {Uint8Array<ArrayBuffer>} content
 * @param {"deflate" | "deflate-raw"} format with zlib's frame, or without
 * @param {number} most the most bytes that may come out
 * @param {string} what its name, for the error
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function inflate(content, format, most, what) {
  const stream = new Blob([content]).stream().pipeThrough(new DecompressionStream(format));
  try {
    return await collect(stream, most, what);
  } catch (error) {
    if (error instanceof DamagedError) throw error;
    throw new DamagedError(`${what} is damaged: its compressed part cannot be read`);
  }
}

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/**
 * @param {Uint8Array} content
 * @returns {number} its CRC-32, as PNG and zip have it
 */
export function crc32(content) {
  let value = 0xffffffff;
  for (const byte of content) value = TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/**
 * @param {Uint8Array<ArrayBuffer>} content
 * @returns {Promise<string>} its sha256 in hexadecimal
 */
export async function sha256(content) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {Uint8Array} content
 * @param {string} what its name, for the error
 * @returns {string}
 */
export function utf8(content, what) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    throw new DamagedError(`${what} is not text`);
  }
}

/**
 * @param {Uint8Array} content
 * @returns {DataView}
 */
export function view(content) {
  return new DataView(content.buffer, content.byteOffset, content.byteLength);
}

/**
 * @param {Uint8Array} content
 * @param {number} at
 * @param {string} text in ASCII
 * @returns {boolean} whether it stands there
 */
export function stands(content, at, text) {
  return at + text.length <= content.length && Array.from(text).every((each, i) => content[at + i] === each.charCodeAt(0));
}

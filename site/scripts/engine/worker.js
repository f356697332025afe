/** What the pages leave to a worker, so that they stay alive: decoding, running, hashing. Answers carry the number of their question. */

import { collect, DamagedError, require, size } from "./bytes.js";
import { Net } from "./net.js";
import { decode } from "./picture.js";
import { prove } from "./prove.js";
import { isZip, MOST_BYTES, readZip } from "./zip.js";

/** @typedef {import("./client.js").Source} Source */

const VENDOR = new URL("../../vendor/onnxruntime-web/", import.meta.url).href;
/** Nets that stay open; the one used longest ago is closed. */
const MOST_NETS = 8;

/** @type {Promise<import("./net.js").Runtime> | null} */
let loading = null;
/** @type {Map<string, Promise<Net>>} */
const nets = new Map();
/** @type {Map<string, Map<string, Uint8Array<ArrayBuffer>>>} */
const archives = new Map();

/** @returns {Promise<import("./net.js").Runtime>} */
function runtime() {
  loading ??= load().catch((error) => {
    loading = null; // to be tried again
    throw error;
  });
  return loading;
}

/** @returns {Promise<import("./net.js").Runtime>} */
async function load() {
  require(typeof WebAssembly === "object", "this browser has no WebAssembly, or it is switched off, so no net runs here; use a current browser");
  try {
    const ort = await import(`${VENDOR}ort.wasm.min.mjs`);
    Object.assign(ort.env.wasm, { numThreads: 1, wasmPaths: VENDOR, proxy: false });
    ort.env.logLevel = "error";
    return ort;
  } catch {
    throw new DamagedError("ONNX Runtime could not be loaded; reload the page, or look whether the network is there");
  }
}

/**
 * @param {string} url
 * @param {string} what its name, for errors
 * @param {(done: number) => void} [onProgress]
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
async function fetchFile(url, what, onProgress) {
  let answer;
  try {
    answer = await fetch(url);
  } catch {
    throw new DamagedError(`${what} cannot be fetched; look whether the network is there, and try again`);
  }
  require(answer.ok && answer.body !== null, `${what} cannot be fetched: the server answers ${answer.status}`);
  try {
    return await collect(answer.body, MOST_BYTES, what, onProgress);
  } catch (error) {
    if (error instanceof DamagedError) throw error;
    throw new DamagedError(`${what} cannot be fetched: the connection broke; try again`);
  }
}

/**
 * @param {Source} source
 * @param {(done: number) => void} onProgress
 * @returns {Promise<Net>}
 */
function open(source, onProgress) {
  const key = JSON.stringify(source);
  const found = nets.get(key);
  if (found) {
    nets.delete(key);
    nets.set(key, found); // the last one used
    return found;
  }
  const opening = (async () => {
    const [ort, content] = await Promise.all([runtime(), bytesOf(source, onProgress)]);
    return Net.open(ort, content, source.name);
  })();
  nets.set(key, opening);
  opening.catch(() => nets.delete(key));
  const [oldest] = nets.keys();
  if (nets.size > MOST_NETS) {
    nets.get(oldest)?.then((net) => net.session.release(), () => {});
    nets.delete(oldest);
  }
  return opening;
}

/**
 * @param {Source} source
 * @param {(done: number) => void} onProgress
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
async function bytesOf(source, onProgress) {
  if (source.url !== undefined) return fetchFile(source.url, source.name, onProgress);
  const content = archives.get(source.archive ?? "")?.get(source.name);
  require(content !== undefined, `${source.name} is missing`);
  return content;
}

/** @type {Record<string, (asked: any, tell: (progress: object) => void) => Promise<unknown>>} */
const jobs = {
  /** Open a net and tell what it says of itself. */
  async open({ source }, tell) {
    const net = await open(source, (done) => tell({ done }));
    return { ...net.about, takesPixels: net.takesPixels };
  },

  /** Classify a picture. */
  async classify({ picture, source, most }) {
    const net = await open(source, () => {});
    const answer = await net.classify(await decoded(picture), most);
    return { ...answer, about: net.about };
  },

  /** Prove a bundle, row by row. */
  async prove({ base, archive }, tell) {
    const ort = await runtime();
    const files = archive === undefined ? undefined : archives.get(archive);
    /** @type {import("./prove.js").Files} */
    const source = {
      names: files ? [...files.keys()] : null,
      read: async (name) => {
        if (!files) return fetchFile(`${base}${name}`, name);
        const content = files.get(name);
        require(content !== undefined, `${name} is missing`);
        return content;
      },
    };
    return prove(ort, source, (row, done, all) => tell({ row, done, all }));
  },

  /** Take a file of the visitor's: a graph, or a bundle's zip. */
  async take({ archive, file, name }) {
    require(file.size <= MOST_BYTES, `the file has ${size(file.size)}; up to ${size(MOST_BYTES)} are read here`);
    const content = new Uint8Array(await file.arrayBuffer());
    const files = isZip(content) ? await readZip(content) : new Map([[name, content]]);
    archives.clear();
    archives.set(archive, files);
    return [...files].map(([path, bytes]) => ({ path, size: bytes.length }));
  },
};

/** @type {{id: number, picture: Promise<import("./picture.js").Picture>} | null} the last picture, which several nets see */
let last = null;

/**
 * @param {{id: number, blob: Blob}} given
 * @returns {Promise<import("./picture.js").Picture>}
 */
function decoded({ id, blob }) {
  if (last?.id !== id) last = { id, picture: blob.arrayBuffer().then((content) => decode(new Uint8Array(content))) };
  return last.picture;
}

/** Jobs run one after the other: there is one processor, and times are told. */
let queue = Promise.resolve();

addEventListener("message", ({ data }) => {
  const { id, job, asked } = data;
  queue = queue.then(async () => {
    try {
      const result = await jobs[job](asked, (progress) => postMessage({ id, progress }));
      postMessage({ id, result });
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      postMessage({ id, error: text, expected: error instanceof DamagedError });
    }
  });
});

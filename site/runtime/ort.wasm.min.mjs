/**
 * onnxruntime-web with its WebAssembly unpacked: packed it is a quarter as long, and few static servers pack for themselves.
 * What it exports is upstream's, which stands beside as upstream.wasm.min.mjs.
 */

import * as upstream from "./upstream.wasm.min.mjs";

const PACKED = new URL("ort-wasm-simd-threaded.wasm.gz", import.meta.url);

/** @returns {Promise<ArrayBuffer>} */
async function unpack() {
  const answer = await fetch(PACKED);
  if (!answer.ok) throw new Error(`${PACKED.pathname}: the server answers ${answer.status}`);
  const content = await answer.arrayBuffer();
  const [first, second] = new Uint8Array(content, 0, 2);
  if (first !== 0x1f || second !== 0x8b) return content; // the server said how it is packed, and the browser unpacked it
  return new Response(new Blob([content]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

upstream.env.wasm.wasmBinary = await unpack();

export * from "./upstream.wasm.min.mjs";

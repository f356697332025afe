/** What a net answers, drawn: bars for the most probable classes, and the crop that it saw. */

import { el } from "./dom.js";

/**
 * @param {number} value
 * @returns {string} a probability in percent
 */
export function percent(value) {
  return `${(100 * value).toFixed(1)}%`;
}

/**
 * @param {import("../engine/net.js").Prediction[]} top
 * @returns {HTMLElement}
 */
export function bars(top) {
  return el(
    "ol",
    { class: "bars" },
    ...top.map(({ label, probability }) => {
      const bar = el("span", { class: "bar-fill" });
      bar.style.width = `${100 * probability}%`;
      return el(
        "li",
        {},
        el("span", { class: "bar-label" }, label),
        el("span", { class: "bar-value" }, percent(probability)),
        el("span", { class: "bar-track", "aria-hidden": "true" }, bar),
      );
    }),
  );
}

/**
 * Draw what a net saw.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Uint8ClampedArray} pixels (size, size, channels)
 * @param {number} size
 */
export function drawCrop(canvas, pixels, size) {
  const channels = pixels.length / (size * size);
  const image = new ImageData(size, size);
  for (let at = 0; at < size * size; at++) {
    for (let channel = 0; channel < 4; channel++) {
      const value = channel === 3 ? (channels === 4 ? pixels[at * 4 + 3] : 255) : pixels[at * channels + (channels === 1 ? 0 : channel)];
      image.data[4 * at + channel] = value;
    }
  }
  canvas.width = canvas.height = size;
  canvas.getContext("2d")?.putImageData(image, 0, 0);
}

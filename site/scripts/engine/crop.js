/** The centre of a picture at the size that a net expects: the same bytes as `pixels.crop` gives. */

import { resize } from "./resize.js";

/**
 * @typedef {object} Preprocessing
 * @property {number} resize length of the shorter side after resizing
 * @property {number} size side of the square that is cropped
 * @property {string} interpolation "bilinear" or "bicubic"
 * @property {number[]} mean for each channel: 1 (grey), 3 (RGB) or 4 (with alpha)
 * @property {number[]} std
 */

/** Pixels up to which a picture is resized as a whole, as in `pixels/cropping.py`. */
const WHOLE = 1 << 26;

/**
 * @param {import("./picture.js").Picture} picture
 * @param {Preprocessing} how
 * @returns {Uint8ClampedArray<ArrayBuffer>} (size, size, channels)
 */
export function crop(picture, how) {
  const channels = how.mean.length;
  const plane = withChannels(picture, channels);
  const short = Math.min(plane.width, plane.height);
  const width = Math.trunc((how.resize * plane.width) / short);
  const height = Math.trunc((how.resize * plane.height) / short);
  // As Pillow: colours are weighted by alpha where pixels are mixed, and stay exact in a picture that keeps its size.
  const weighted = channels === 4 && (width !== plane.width || height !== plane.height);
  if (weighted) multiply(plane.data);
  const left = half(width - how.size);
  const top = half(height - how.size);
  // What lies beyond the picture stays black.
  const window = {
    left: Math.max(left, 0),
    top: Math.max(top, 0),
    right: Math.min(left + how.size, width),
    bottom: Math.min(top + how.size, height),
  };
  const shown =
    width * height <= WHOLE
      ? resize(plane, width, height, how.interpolation, window)
      : resizePart(plane, width, height, how.interpolation, window);
  if (weighted) divide(shown.data);
  const out = new Uint8ClampedArray(how.size * how.size * channels);
  for (let y = 0; y < shown.height; y++) {
    const row = shown.data.subarray(y * shown.width * channels, (y + 1) * shown.width * channels);
    out.set(row, ((y + window.top - top) * how.size + window.left - left) * channels);
  }
  return out;
}

/**
 * @param {number} difference
 * @returns {number} half of it, as Python's round has it: halves go to the even number
 */
function half(difference) {
  const value = difference / 2;
  if (Number.isInteger(value)) return value;
  const below = Math.floor(value);
  return below % 2 === 0 ? below : below + 1;
}

/**
 * Resize only what the crop shows, which differs by rounding.
 *
 * @param {import("./resize.js").Plane} plane
 * @param {number} width
 * @param {number} height
 * @param {string} method
 * @param {import("./resize.js").Box} window
 * @returns {import("./resize.js").Plane}
 */
function resizePart(plane, width, height, method, window) {
  const x = plane.width / width;
  const y = plane.height / height;
  const wide = window.right - window.left;
  const high = window.bottom - window.top;
  const part = {
    left: Math.fround(window.left * x),
    top: Math.fround(window.top * y),
    right: Math.fround((window.left + wide) * x),
    bottom: Math.fround((window.top + high) * y),
  };
  return resize(plane, wide, high, method, { left: 0, top: 0, right: wide, bottom: high }, part);
}

/**
 * Return grey, RGB or RGBA; what is transparent is laid over white, unless alpha is kept.
 *
 * @param {import("./picture.js").Picture} picture left as it is
 * @param {number} channels
 * @returns {import("./resize.js").Plane}
 */
export function withChannels({ width, height, data, transparent }, channels) {
  const out = new Uint8ClampedArray(width * height * channels);
  if (channels === 4) {
    out.set(data);
    return { width, height, channels, data: out };
  }
  const colour = [0, 0, 0];
  for (let from = 0, to = 0; from < data.length; from += 4) {
    const alpha = transparent ? data[from + 3] : 255;
    for (let channel = 0; channel < 3; channel++) {
      const value = data[from + channel];
      colour[channel] = alpha === 255 ? value : onWhite(value, alpha);
    }
    if (channels === 3) {
      for (let channel = 0; channel < 3; channel++) out[to++] = colour[channel];
    } else {
      out[to++] = (colour[0] * 19595 + colour[1] * 38470 + colour[2] * 7471 + 0x8000) >> 16;
    }
  }
  return { width, height, channels, data: out };
}

/**
 * @param {number} value
 * @param {number} alpha
 * @returns {number} as Pillow's alpha_composite has it over white
 */
function onWhite(value, alpha) {
  const sum = 128 * (value * alpha + 255 * (255 - alpha)) + (0x80 << 7);
  return ((sum >> 8) + sum) >> 8 >> 7;
}

/** @param {Uint8ClampedArray} data RGBA, which is multiplied by alpha, as Pillow does before it resizes */
function multiply(data) {
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3];
    for (let channel = 0; channel < 3; channel++) {
      const product = data[at + channel] * alpha + 128;
      data[at + channel] = ((product >> 8) + product) >> 8;
    }
  }
}

/** @param {Uint8ClampedArray} data RGBA, of which that is undone */
function divide(data) {
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3];
    if (alpha === 0 || alpha === 255) continue;
    for (let channel = 0; channel < 3; channel++) data[at + channel] = Math.floor((255 * data[at + channel]) / alpha);
  }
}

/**
 * Scale to [0, 1] and normalize, in the float32 steps of the Python classifier.
 *
 * @param {Uint8ClampedArray} pixels (size, size, channels)
 * @param {Preprocessing} how
 * @returns {Float32Array<ArrayBuffer>} (channels, size, size)
 */
export function normalize(pixels, how) {
  const channels = how.mean.length;
  const count = pixels.length / channels;
  const out = new Float32Array(pixels.length);
  for (let channel = 0; channel < channels; channel++) {
    const mean = Math.fround(how.mean[channel]);
    const std = Math.fround(how.std[channel]);
    for (let index = 0; index < count; index++) {
      const scaled = Math.fround(pixels[index * channels + channel] / 255);
      out[channel * count + index] = Math.fround(Math.fround(scaled - mean) / std);
    }
  }
  return out;
}

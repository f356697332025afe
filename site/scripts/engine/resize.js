/**
 * Pillow's resize: it filters as it shrinks, in fixed point, along one axis and then the other, rounding to bytes between.
 * Which comes first is as in Pillow 13; older ones always begin across, so that they differ from it by such a rounding.
 */

const PRECISION = 22;
/** @type {Record<string, {support: number, weight: (x: number) => number}>} */
const FILTERS = {
  bilinear: { support: 1, weight: (x) => (Math.abs(x) < 1 ? 1 - Math.abs(x) : 0) },
  bicubic: { support: 2, weight: cubic },
};

/**
 * @param {number} given
 * @returns {number}
 */
function cubic(given) {
  const a = -0.5;
  const x = Math.abs(given);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/**
 * @typedef {object} Taps
 * @property {number} first
 * @property {Int32Array} weights times 2**22
 */

/**
 * Return from which pixels each new one is made.
 *
 * @param {number} length of the axis
 * @param {number} low where the part that is resized begins
 * @param {number} high where it ends
 * @param {number} out its new length
 * @param {number} from the first new pixel that is wanted
 * @param {number} to the one behind the last
 * @param {string} method
 * @returns {Taps[]}
 */
function taps(length, low, high, out, from, to, method) {
  const { support, weight } = FILTERS[method];
  const scale = Math.fround(high - low) / out;
  const stretch = Math.max(scale, 1);
  const reach = support * stretch;
  const step = 1 / stretch;
  return Array.from({ length: to - from }, (_, index) => {
    const centre = low + (from + index + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const last = Math.min(Math.trunc(centre + reach + 0.5), length);
    const weights = Array.from({ length: last - first }, (_, x) => weight((x + first - centre + 0.5) * step));
    let sum = 0;
    for (const each of weights) sum += each;
    const fixed = weights.map((each) => {
      const value = (sum === 0 ? each : each / sum) * 2 ** PRECISION;
      return Math.trunc(value + (value < 0 ? -0.5 : 0.5));
    });
    return { first, weights: Int32Array.from(fixed) };
  });
}

/**
 * @typedef {object} Plane
 * @property {number} width
 * @property {number} height
 * @property {number} channels
 * @property {Uint8ClampedArray<ArrayBuffer>} data
 */

/** @typedef {{left: number, top: number, right: number, bottom: number}} Box */

/**
 * Resize a picture, or a part of it, and return only a window of the result.
 *
 * @param {Plane} plane
 * @param {number} width the new one
 * @param {number} height
 * @param {string} method "bilinear" or "bicubic"
 * @param {Box} wanted the window, within the new picture
 * @param {Box} [part] what is resized; all by default
 * @returns {Plane}
 */
export function resize(plane, width, height, method, wanted, part) {
  const box = part ?? { left: 0, top: 0, right: plane.width, bottom: plane.height };
  const across = taps(plane.width, box.left, box.right, width, wanted.left, wanted.right, method);
  const down = taps(plane.height, box.top, box.bottom, height, wanted.top, wanted.bottom, method);
  const shorter = plane.height - height;
  return shorter > 0 && shorter > 2 * (plane.width - width)
    ? filterAcross(filterDown(plane, down, span(across)), across, span(down, true))
    : filterDown(filterAcross(plane, across, span(down)), down, span(across, true));
}

/** @typedef {{first: number, last: number}} Span some rows or columns: from the first to before the last */

/**
 * @param {Taps[]} taps
 * @param {boolean} [made] whether the span of what is made is wanted, and not that of what it is made from
 * @returns {Span}
 */
function span(taps, made = false) {
  if (made || taps.length === 0) return { first: 0, last: taps.length };
  return {
    first: Math.min(...taps.map((each) => each.first)),
    last: Math.max(...taps.map((each) => each.first + each.weights.length)),
  };
}

/**
 * Filter some rows. The others of the result stay empty: nobody reads them.
 *
 * @param {Plane} plane
 * @param {Taps[]} taps one for each new column
 * @param {Span} rows
 * @returns {Plane}
 */
function filterAcross({ width, height, channels, data }, taps, { first, last }) {
  // A clamped array clips, and an axis that keeps its length is copied: that is what the weights 0, 1, 0 do.
  const out = new Uint8ClampedArray(taps.length * height * channels);
  for (let y = first; y < last; y++) {
    let at = y * taps.length * channels;
    for (const { first: start, weights } of taps) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = 1 << (PRECISION - 1);
        let place = (y * width + start) * channels + channel;
        for (let index = 0; index < weights.length; index++, place += channels) sum += data[place] * weights[index];
        out[at++] = sum >> PRECISION;
      }
    }
  }
  return { width: taps.length, height, channels, data: out };
}

/**
 * Filter some columns, likewise.
 *
 * @param {Plane} plane
 * @param {Taps[]} taps one for each new row
 * @param {Span} columns
 * @returns {Plane}
 */
function filterDown({ width, channels, data }, taps, { first, last }) {
  const stride = width * channels;
  const out = new Uint8ClampedArray(stride * taps.length);
  taps.forEach(({ first: start, weights }, y) => {
    for (let x = first * channels; x < last * channels; x++) {
      let sum = 1 << (PRECISION - 1);
      let place = start * stride + x;
      for (let index = 0; index < weights.length; index++, place += stride) sum += data[place] * weights[index];
      out[y * stride + x] = sum >> PRECISION;
    }
  });
  return { width, height: taps.length, channels, data: out };
}

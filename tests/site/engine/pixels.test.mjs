/** Every PNG is cropped and normalized to the very bytes that Pillow and numpy give. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { crop, normalize } from "../../../site/scripts/engine/crop.js";
import { decode, kindOf, MOST_PIXELS } from "../../../site/scripts/engine/picture.js";
import { resize } from "../../../site/scripts/engine/resize.js";

const folder = `${process.env.FIXTURES}/`;
const read = (name) => new Uint8Array(readFileSync(folder + name));
const cases = JSON.parse(readFileSync(`${folder}crops.json`, "utf-8"));

for (const { file, number, how } of cases) {
  test(`${file}, ${how.interpolation} to ${how.size}×${how.size}×${how.mean.length}`, async () => {
    const pixels = crop(await decode(read(file)), how);
    assert.deepEqual(Buffer.from(pixels), Buffer.from(read(`${file}.${number}`)));
    assert.deepEqual(Buffer.from(normalize(pixels, how).buffer), Buffer.from(read(`${file}.${number}.f32`)));
  });
}

test("both headers of BMP tell its size", () => {
  const header = (sized, ...sides) => Uint8Array.of(0x42, 0x4d, ...new Array(12).fill(0), sized, 0, 0, 0, ...sides);
  const size = ({ width, height }) => [width, height];
  assert.deepEqual(size(kindOf(header(12, 33, 1, 34, 0))), [289, 34]);
  assert.deepEqual(size(kindOf(header(40, 33, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff))), [33, 2]);
});

test("a picture that keeps its size is copied", () => {
  const data = Uint8ClampedArray.from({ length: 48 }, (_, index) => (index * 37) % 256);
  const plane = { width: 4, height: 4, channels: 3, data };
  for (const method of ["bilinear", "bicubic"]) {
    assert.deepEqual(resize(plane, 4, 4, method, { left: 0, top: 0, right: 4, bottom: 4 }).data, data);
  }
});

const png = read("32x32.png");
const changed = (place, ...bytes) => {
  const copy = png.slice();
  copy.set(bytes, place);
  return copy;
};
const text = (words) => new TextEncoder().encode(words);

for (const [name, content, message] of [
  ["an empty file", new Uint8Array(), /the file is empty/],
  ["a text", text("no picture at all\n"), /this file is no picture: choose a PNG/],
  ["a web page", text("<!doctype html>"), /this file is no picture/],
  ["a TIFF", text("II*\0........"), /TIFF is not read here; save the picture as PNG or JPEG/],
  ["the head of a PNG", png.slice(0, 20), /the PNG has no header/],
  ["half a PNG", png.slice(0, png.length / 2), /the PNG is truncated/],
  ["a PNG without pixels", png.slice(0, 33), /the PNG has no pixels/],
  ["a damaged byte", changed(60, png[60] ^ 1), /the sum of its IDAT is wrong/],
  ["a bomb", changed(16, 0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30), /30000×30000 pixels, that is 900 million; up to 67 million/],
  ["no width", changed(16, 0, 0, 0, 0), /0×32 pixels/],
  ["an unknown type", changed(25, 5), /names no kind of pixels/],
  ["ink", Uint8Array.of(0xff, 0xd8, 0xff, 0xc0, 0, 20, 8, 0, 9, 0, 9, 4), /colours of ink \(CMYK\)/],
  ["half a JPEG", Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0), /the JPEG is truncated/],
  ["half a WebP", text("RIFF....WEBPVP8X"), /truncated/],
]) {
  test(`refused: ${name}`, () => assert.rejects(decode(content), { name: "DamagedError", message }));
}

test("a PNG's pixels are bounded before they are unpacked", () => {
  const { width, height } = kindOf(changed(16, 0, 0, 0x20, 0, 0, 0, 0x20, 0));
  assert.equal(width * height, MOST_PIXELS);
});

test("any damage ends in pixels or in a clear error", async () => {
  for (let place = 8; place < Math.min(png.length, 400); place++) {
    try {
      await decode(changed(place, png[place] ^ 0x55));
    } catch (error) {
      assert.equal(error.name, "DamagedError", `${place}: ${error.stack}`);
    }
  }
});

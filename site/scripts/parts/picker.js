/** Where pictures come from: dropped, pasted, chosen, photographed, or a sample. */

import { button, el, ROOT, sentence } from "./dom.js";

/** @typedef {{file: string, alt: string}} Sample */

/**
 * @param {(blob: Blob, name: string) => void} onPicture
 * @param {(text: string) => void} onProblem told a sentence
 * @returns {HTMLElement}
 */
export function createPicker(onPicture, onProblem) {
  const input = el("input", { type: "file", accept: "image/*", class: "hidden", id: "picture" });
  const label = el("label", { for: "picture", class: "button primary" }, "Choose a picture");
  const camera = el("div", { class: "camera" });
  const shoot = button("Use the camera", () => openCamera(camera, shoot, onPicture, onProblem));
  const zone = el(
    "div",
    { class: "drop" },
    el("p", { class: "drop-words" }, "Drop a picture here, or paste one"),
    el("p", { class: "actions" }, input, label, shoot),
    camera,
  );
  if (!navigator.mediaDevices?.getUserMedia) shoot.hidden = true;
  input.addEventListener("change", () => {
    const [file] = input.files ?? [];
    if (file) onPicture(file, file.name);
    input.value = ""; // the same file may be chosen again
  });
  onFiles(zone, (file) => onPicture(file, file.name), () => onProblem("That is no file. Save the picture first, then drop or choose the file."));
  const strip = el("div", { class: "samples", role: "group", "aria-label": "Sample pictures" });
  fillStrip(strip, onPicture, onProblem);
  return el("div", {}, zone, strip);
}

/**
 * Take files that are dropped anywhere on the page, or pasted.
 *
 * @param {HTMLElement} zone lights up meanwhile
 * @param {(file: File) => void} onFile
 * @param {() => void} onOther something else was dropped
 */
export function onFiles(zone, onFile, onOther) {
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) zone.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    const [file] = event.dataTransfer?.files ?? [];
    if (file) onFile(file);
    else onOther();
  });
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData?.files ?? [];
    if (file) onFile(file);
  });
}

/**
 * @param {HTMLElement} strip
 * @param {(blob: Blob, name: string) => void} onPicture
 * @param {(text: string) => void} onProblem
 */
async function fillStrip(strip, onPicture, onProblem) {
  /** @type {Sample[]} */
  let samples = [];
  try {
    samples = await (await fetch(`${ROOT}samples/samples.json`)).json();
  } catch {
    strip.hidden = true; // the page works without
  }
  for (const { file, alt } of samples) {
    const picture = el("img", { src: `${ROOT}samples/${file}`, alt: "", width: 72, height: 72, loading: "lazy" });
    const choose = el("button", { type: "button", class: "sample", "aria-label": `Sample: ${alt}`, title: alt }, picture);
    choose.addEventListener("click", async () => {
      try {
        onPicture(await (await fetch(picture.src)).blob(), file);
      } catch {
        onProblem("The sample cannot be fetched. Look whether the network is there, or choose a picture of yours.");
      }
    });
    strip.append(choose);
  }
}

/**
 * @param {HTMLElement} place
 * @param {HTMLButtonElement} opener
 * @param {(blob: Blob, name: string) => void} onPicture
 * @param {(text: string) => void} onProblem
 */
async function openCamera(place, opener, onPicture, onProblem) {
  let stream;
  opener.disabled = true; // while the visitor is asked; a second stream could not be stopped
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
  } catch (error) {
    const denied = error instanceof DOMException && error.name === "NotAllowedError";
    onProblem(denied ? "The camera was not allowed. Allow it in the browser's settings for this page, or choose a file." : `The camera cannot be used: ${sentence(error)}`);
    return;
  } finally {
    opener.disabled = false;
  }
  const given = stream;
  const video = el("video", { playsinline: true, autoplay: true, muted: true, "aria-label": "What the camera sees" });
  video.muted = true;
  video.srcObject = given;
  const close = () => {
    for (const track of given.getTracks()) track.stop();
    place.replaceChildren();
    opener.hidden = false;
    opener.focus();
  };
  const take = button(
    "Take the picture",
    () => {
      const canvas = el("canvas", { width: video.videoWidth, height: video.videoHeight });
      canvas.getContext("2d")?.drawImage(video, 0, 0);
      canvas.toBlob((blob) => (blob ? onPicture(blob, "camera.png") : onProblem("The camera gave no picture. Try again.")));
      close();
    },
    "primary",
  );
  place.replaceChildren(video, el("p", { class: "actions" }, take, button("Stop", close)));
  opener.hidden = true;
  take.focus();
}

/** A net's page: tells the figures of the layer that is pointed at or focused, and copies snippets. */

import { addCopyButtons } from "./copy.js";

const told = document.getElementById("told");
const hint = told?.textContent ?? "";

for (const layer of document.querySelectorAll("#chain .layer")) {
  const show = () => {
    if (told) told.textContent = layer.getAttribute("aria-label");
  };
  const hide = () => {
    if (told && !document.querySelector("#chain .layer:focus")) told.textContent = hint;
  };
  layer.addEventListener("pointerenter", show);
  layer.addEventListener("focus", show);
  layer.addEventListener("pointerleave", hide);
  layer.addEventListener("blur", hide);
}

addCopyButtons();

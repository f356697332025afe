/** A net of the visitor's own: an .onnx file, or a bundle's zip. It is read here and sent nowhere. */

import { Engine } from "./engine/client.js";
import { GRAPHS } from "./engine/prove.js";
import { button, byId, el, sentence } from "./parts/dom.js";
import { createProof } from "./parts/proof.js";
import { Tryout } from "./parts/tryout.js";

const place = byId("own");
const input = el("input", { type: "file", accept: ".onnx,.zip", class: "hidden", id: "file" });
const zone = el(
  "div",
  { class: "drop" },
  el("p", { class: "drop-words" }, "Drop an .onnx file or a bundle's zip here"),
  el("p", { class: "actions" }, input, el("label", { for: "file", class: "button primary" }, "Choose a file")),
);
const status = el("p", { class: "note", role: "status" }, "No net yet. A folder becomes a zip by: cd BUNDLE; zip -r ../bundle.zip .");
const problem = el("p", { class: "problem", role: "alert", hidden: true });
const opened = el("div");
place.append(zone, status, problem, opened);

const engine = new Engine();
let taken = 0;

/** @param {File} file */
async function take(file) {
  const turn = ++taken;
  const archive = `own-${turn}`;
  problem.hidden = true;
  opened.replaceChildren();
  zone.hidden = false;
  status.textContent = `Reading ${file.name} …`;
  try {
    const files = await engine.take(archive, file);
    const bundle = files.some(({ path }) => path === "SHA256SUMS");
    const paths = GRAPHS.map(({ path, format }) => ({ path: `${path}.onnx`, title: format }));
    const graphs = files
      .filter(({ path }) => (bundle ? paths.some((one) => one.path === path) : path.endsWith(".onnx")))
      .slice(0, 3)
      .map(({ path, size }) => ({
        title: paths.find((one) => one.path === path)?.title ?? path,
        source: { name: path, archive },
        bytes: size,
      }));
    if (graphs.length === 0) throw new Error(`${file.name} holds no .onnx file; choose an .onnx file, or the zip of a bundle that diracnet export wrote`);
    const about = await engine.open(graphs[0].source);
    if (turn !== taken) return; // another file was given meanwhile
    const { labels, preprocessing, untrained, temperature } = about;
    const shown = labels.length ? `${labels.slice(0, 10).join(", ")}${labels.length > 10 ? ` and ${labels.length - 10} more` : ""}` : "without names";
    const facts = /** @type {[string, string][]} */ ([
      ["Net", about.name || "says no name"],
      ["Picture", `${preprocessing.size}×${preprocessing.size}, ${preprocessing.mean.length} ${preprocessing.mean.length === 1 ? "channel" : "channels"}, ${preprocessing.interpolation}`],
      ["Classes", shown],
      ["Temperature", String(temperature)],
      ["Trained", untrained ? "no: its answers mean nothing" : "yes, it says"],
    ]);
    zone.hidden = true; // pictures are dropped from now on
    status.textContent = `${file.name} is open, in this browser alone.`;
    const again = button("Open another file", () => location.reload());
    const trial = el("div");
    opened.append(
      el("dl", { class: "facts" }, ...facts.map(([term, told]) => el("div", {}, el("dt", {}, term), el("dd", {}, told)))),
      el("p", { class: "actions" }, again),
      trial,
    );
    if (bundle) {
      const prover = el("div", { id: "prover" });
      opened.append(el("section", {}, el("h2", {}, "Prove it"), el("p", {}, "The sha256 of each file against SHA256SUMS, and the golden inputs through every graph."), prover));
      createProof(prover, () => engine, { archive });
    }
    await new Tryout(trial, engine).show([{ title: about.name || file.name, graphs }]);
  } catch (error) {
    if (turn !== taken) return;
    opened.replaceChildren();
    zone.hidden = false;
    status.textContent = "No net yet.";
    problem.textContent = sentence(error);
    problem.hidden = false;
  }
}

input.addEventListener("change", () => {
  const [file] = input.files ?? [];
  if (file) void take(file);
  input.value = "";
});
for (const kind of ["dragover", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    if (kind === "drop" && event instanceof DragEvent && !zone.hidden) {
      const [file] = event.dataTransfer?.files ?? [];
      if (file) void take(file);
    }
  });
}

/** The proof on a page: a button, a bar, a table of checks, a verdict. */

import { button, el, sentence } from "./dom.js";

/**
 * @param {HTMLElement} place
 * @param {() => import("../engine/client.js").Engine} engine called when the button is pressed
 * @param {{base?: string, archive?: string}} bundle
 */
export function createProof(place, engine, bundle) {
  const bar = el("progress", { max: 1, value: 0, "aria-label": "Checks done", hidden: true });
  const verdict = el("p", { class: "verdict", role: "status" });
  const body = el("tbody");
  const table = el(
    "div",
    { class: "scroll", role: "region", "aria-label": "Checks", tabindex: 0, hidden: true },
    el(
      "table",
      { class: "checks" },
      el("thead", {}, el("tr", {}, ...["What", "Result", "Difference", "Limit"].map((head, index) => el("th", { scope: "col", class: index > 1 ? "number" : "" }, head)))),
      body,
    ),
  );
  const start = button("Prove it now", () => void run(), "primary");
  place.replaceChildren(el("p", { class: "actions" }, start, bar), verdict, table);

  async function run() {
    start.disabled = true;
    verdict.className = "verdict";
    verdict.textContent = "Fetching and checking …";
    body.replaceChildren();
    table.hidden = bar.hidden = false;
    bar.value = 0;
    try {
      const rows = await engine().prove(bundle, ({ row, done, all }) => {
        body.append(line(row));
        bar.max = all;
        bar.value = done;
      });
      const failed = rows.filter((row) => !row.passed).length;
      const files = rows.filter((row) => row.kind === "hash").length;
      verdict.classList.add(failed ? "bad" : "good");
      verdict.textContent = failed
        ? `✗ ${failed} of ${rows.length} checks failed. Do not use these files: download the bundle again.`
        : `✓ Proven: all ${files} files are as SHA256SUMS lists them, and all ${rows.length - files} graphs compute the golden outputs here.`;
    } catch (error) {
      verdict.classList.add("bad");
      verdict.textContent = `✗ ${sentence(error)}`;
      table.hidden = body.rows.length === 0;
    }
    start.disabled = false;
    start.textContent = "Prove it again";
    bar.hidden = true;
  }
}

/**
 * @param {import("../engine/prove.js").Row} row
 * @returns {HTMLElement}
 */
function line({ kind, name, passed, told, figure, limit }) {
  const what = kind === "hash" ? name : `${name}: golden outputs`;
  const number = (/** @type {number | undefined} */ value) => (value === undefined ? "" : Number(value.toPrecision(2)).toString());
  return el(
    "tr",
    { class: passed ? "passed" : "failed" },
    el("th", { scope: "row" }, what),
    el("td", {}, el("span", { class: "mark" }, passed ? "✓ ok" : "✗ failed"), told ? ` ${told}` : ""),
    el("td", { class: "number" }, number(figure)),
    el("td", { class: "number" }, number(limit)),
  );
}

/** The gallery: sorts and filters the table that the page came with, and keeps the chart in step. */

import { drawChart } from "./chart.js";

/**
 * @typedef {object} Net
 * @property {HTMLTableRowElement} row
 * @property {string} name
 * @property {string} page
 * @property {string} dataset
 * @property {DOMStringMap} values the row's figures, as the page has them
 */

/**
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new TypeError(`the page has no #${id}`);
  return found;
}

const table = byId("table", HTMLTableElement);
const body = table.tBodies[0];
const dataset = byId("dataset", HTMLSelectElement);
const text = byId("text", HTMLInputElement);
const cost = byId("cost", HTMLSelectElement);
const figure = byId("chart", HTMLElement);

/** @type {Net[]} */
const nets = Array.from(body.rows, (row) => {
  const link = row.querySelector("a");
  return {
    row,
    name: row.dataset.reference ?? "",
    page: link?.getAttribute("href") ?? "",
    dataset: row.dataset.dataset ?? "",
    values: row.dataset,
  };
});
const datasets = [...new Set(nets.map((net) => net.dataset))];

/** @type {{key: string, descending: boolean} | null} */
let order = null;

/**
 * @param {Net} first
 * @param {Net} second
 * @param {string} key
 * @returns {number} below zero if the first comes first when ascending; what has no figure comes last
 */
function compare(first, second, key) {
  const [a, b] = [first.values[key] ?? "", second.values[key] ?? ""];
  if (a === "" || b === "") return a === b ? 0 : a === "" ? Infinity : -Infinity;
  const [x, y] = [Number(a), Number(b)];
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, "en", { numeric: true }) : x - y;
}

function sort() {
  if (order === null) return;
  const { key, descending } = order;
  const sorted = [...nets].sort((first, second) => {
    const difference = compare(first, second, key);
    return descending && Number.isFinite(difference) ? -difference : difference;
  });
  body.append(...sorted.map((net) => net.row));
}

/** @type {Net[]} */
let shown = nets;

function draw() {
  drawChart(figure, shown, cost.value, cost.selectedOptions[0].text, datasets);
}

function filter() {
  const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
  shown = nets.filter((net) => {
    const told = `${net.name} ${net.dataset}`.toLowerCase();
    const matches = (!dataset.value || net.dataset === dataset.value) && words.every((word) => told.includes(word));
    net.row.hidden = !matches;
    return matches;
  });
  byId("count", HTMLElement).textContent =
    shown.length === nets.length ? `${nets.length} nets` : `${shown.length} of ${nets.length} nets`;
  byId("empty", HTMLElement).hidden = shown.length > 0;
  draw();
}

for (const head of table.tHead?.rows[0].cells ?? []) {
  const key = head.dataset.key;
  if (!key) continue;
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const words = key === "reference" || key === "dataset" || key === "memory" || key === "instructions";
    const descending = order?.key === key ? !order.descending : !words;
    order = { key, descending };
    for (const other of table.tHead?.rows[0].cells ?? []) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    sort();
  });
}

dataset.addEventListener("change", filter);
text.addEventListener("input", filter);
cost.addEventListener("change", draw);
new ResizeObserver(draw).observe(figure);
byId("filters", HTMLFormElement).addEventListener("submit", (event) => event.preventDefault());
byId("clear", HTMLButtonElement).addEventListener("click", () => {
  dataset.value = text.value = "";
  filter();
  text.focus();
});

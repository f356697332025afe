/** The page where nets are tried: which nets, which precisions, which picture. */

import { Engine } from "./engine/client.js";
import { byId, el, ROOT, sentence } from "./parts/dom.js";
import { Tryout } from "./parts/tryout.js";

/**
 * @typedef {object} Net as in data/nets.json
 * @property {string} id
 * @property {string} reference
 * @property {string} dataset
 * @property {string} bundle
 * @property {string} page
 * @property {Record<string, string>} graphs precision → path in the bundle
 * @property {Record<string, number>} bytes
 */

const FIRST = "diracnet16_cifar-cifar10";
const place = byId("try");

/**
 * @param {string} id
 * @param {string} label
 * @param {Net[]} nets
 * @param {string} chosen
 * @param {boolean} optional
 * @returns {[HTMLElement, HTMLSelectElement]}
 */
function chooser(id, label, nets, chosen, optional) {
  const select = el("select", { id });
  if (optional) select.append(el("option", { value: "" }, "none"));
  for (const dataset of new Set(nets.map((net) => net.dataset))) {
    const options = nets.filter((net) => net.dataset === dataset).map((net) => el("option", { value: net.id }, net.reference));
    select.append(el("optgroup", { label: dataset }, ...options));
  }
  select.value = chosen;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
  return [el("label", { for: id }, label, " ", select), select];
}

async function start() {
  /** @type {Net[]} */
  let nets;
  try {
    const answer = await fetch(`${ROOT}data/nets.json`);
    nets = (await answer.json()).nets;
  } catch {
    throw new Error("the list of nets cannot be fetched; look whether the network is there, and reload the page");
  }
  const search = new URLSearchParams(location.search);
  const asked = search.get("net") ?? "";
  const known = nets.some((net) => net.id === asked);
  const [netLabel, net] = chooser("net", "Net", nets, known ? asked : FIRST, false);
  const [besideLabel, beside] = chooser("beside", "Beside it", nets, search.get("beside") ?? "", true);
  const precisions = ["fp32", "fp16", "int8"].map((name) => el("input", { type: "checkbox", value: name, checked: true }));
  const form = el(
    "form",
    { class: "choices", "aria-label": "Nets" },
    netLabel,
    besideLabel,
    el("fieldset", {}, el("legend", { class: "hidden" }, "Precisions"), ...precisions.map((box) => el("label", {}, box, " ", box.value))),
  );
  form.addEventListener("submit", (event) => event.preventDefault());
  place.append(form);
  const tryout = new Tryout(place, new Engine());

  const show = () => {
    const wanted = precisions.filter((box) => box.checked).map((box) => box.value);
    const chosen = [net.value, beside.value].filter((id, index, all) => id && all.indexOf(id) === index);
    const columns = chosen.flatMap((id) => nets.filter((each) => each.id === id)).map((each) => ({
      title: each.reference,
      page: ROOT + each.page,
      graphs: wanted.map((name) => ({
        title: name,
        source: { name: each.graphs[name], url: new URL(ROOT + each.bundle + each.graphs[name], location.href).href },
        bytes: each.bytes[name],
      })),
    }));
    void tryout.show(columns);
  };
  for (const control of [net, beside, ...precisions]) control.addEventListener("change", show);
  show();
}

start().catch((error) => place.append(el("p", { class: "problem", role: "alert" }, sentence(error))));

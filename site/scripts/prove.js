/** The proof on a net's page. The engine is loaded when it is asked for. */

import { Engine } from "./engine/client.js";
import { byId } from "./parts/dom.js";
import { createProof } from "./parts/proof.js";

/** @type {Engine | null} */
let engine = null;
const base = new URL(byId("prove").dataset.bundle ?? "", location.href).href;
createProof(byId("prover"), () => (engine ??= new Engine()), { base });

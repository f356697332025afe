/** A place where nets answer: a picture is picked, and each net tells what it sees, in each precision. */

import { size } from "../engine/bytes.js";
import { bars, drawCrop, percent } from "./answer.js";
import { el, sentence } from "./dom.js";
import { createPicker } from "./picker.js";

/**
 * @typedef {object} Graph
 * @property {string} title its precision
 * @property {import("../engine/client.js").Source} source
 * @property {number} bytes
 */

/**
 * @typedef {object} Column a net
 * @property {string} title
 * @property {string} [page]
 * @property {Graph[]} graphs
 */

/** @typedef {{graph: Graph, column: Column, body: HTMLElement, note: HTMLElement}} Card */

let pictures = 0;

export class Tryout {
  /**
   * @param {HTMLElement} place
   * @param {import("../engine/client.js").Engine} engine
   */
  constructor(place, engine) {
    this.engine = engine;
    /** @type {Card[]} */
    this.cards = [];
    /** @type {import("../engine/client.js").Given | null} */
    this.picture = null;
    this.pictureName = "";
    this.turn = 0;
    this.status = el("p", { class: "note", role: "status" }, "Loading ONNX Runtime (3 MB, once) and the net …");
    this.problem = el("p", { class: "problem", role: "alert", hidden: true });
    this.seen = el("canvas", { width: 32, height: 32, class: "crop", role: "img", "aria-label": "What the net sees" });
    this.whole = el("img", { alt: "The picture as it was given", class: "whole" });
    this.name = el("figcaption", { class: "note" });
    this.figure = el("figure", { class: "seen", hidden: true }, el("div", {}, this.whole, this.seen), this.name);
    this.results = el("div", { class: "results" });
    const picker = createPicker((blob, name) => this.take(blob, name), (text) => this.complain(text));
    place.append(
      el("div", { class: "tryout" }, el("div", {}, picker, this.problem, this.status), el("div", { class: "answers" }, this.figure, this.results)),
    );
  }

  /** @param {string} text */
  complain(text) {
    this.problem.textContent = text;
    this.problem.hidden = false;
  }

  /**
   * Show these nets, fetch them, and let them answer if there is a picture.
   *
   * @param {Column[]} columns
   */
  async show(columns) {
    const turn = ++this.turn;
    this.cards = [];
    this.results.replaceChildren(
      ...columns.map((column) => {
        const title = column.page ? el("a", { href: column.page }, column.title) : column.title;
        const cards = column.graphs.map((graph) => {
          const note = el("span", { class: "ms" }, size(graph.bytes));
          const body = el("div", { class: "card-body" }, el("p", { class: "note" }, "waiting"));
          this.cards.push({ graph, column, body, note });
          return el("article", { class: "card-answer", "aria-label": `${column.title}, ${graph.title}` }, el("h3", {}, graph.title, " ", note), body);
        });
        return el("section", { class: "net-answers" }, el("h2", {}, title), el("div", { class: "cards" }, ...cards));
      }),
    );
    if (this.picture) {
      await this.answerAll(turn);
      return;
    }
    let ready = 0;
    for (const card of this.cards) {
      if (await this.load(card)) ready += 1;
      if (turn !== this.turn) return;
    }
    this.status.textContent = ready ? "Ready. Nothing leaves this browser." : "No net could be loaded.";
  }

  /**
   * Take a picture and let all nets answer.
   *
   * @param {Blob} blob
   * @param {string} name
   */
  async take(blob, name) {
    this.problem.hidden = true;
    this.picture = { blob, id: pictures++ };
    this.pictureName = name;
    await this.answerAll(++this.turn);
  }

  /** @param {number} turn after which this is no longer what the visitor waits for */
  async answerAll(turn) {
    const { picture, pictureName: name } = this;
    if (picture === null) return;
    const start = performance.now();
    this.status.textContent = `Reading ${name} …`;
    /** @type {string[]} */
    const said = [];
    for (const card of this.cards) {
      const words = (await this.load(card)) && turn === this.turn ? await this.answer(card, picture) : null;
      if (turn !== this.turn) return;
      if (!words) continue;
      if (said.length === 0) {
        this.preview(picture.blob, name);
        this.results.dataset.firstAnswer = String(Math.round(performance.now() - start));
      }
      said.push(words);
    }
    this.status.textContent = said.length ? `${said.join("; ")}. First answer after ${this.results.dataset.firstAnswer} ms.` : "No answer.";
    this.results.dataset.answered = `${picture.id} ${name}`;
  }

  /**
   * @param {Card} card
   * @returns {Promise<boolean>} whether its net is open
   */
  async load({ graph, body }) {
    const tell = (/** @type {string} */ text, kind = "note") => body.replaceChildren(el("p", { class: kind }, text));
    try {
      await this.engine.open(graph.source, (done) => tell(`fetching: ${size(done)} of ${size(graph.bytes)}`));
      tell("ready: pick a picture");
      return true;
    } catch (error) {
      tell(sentence(error), "problem");
      return false;
    }
  }

  /**
   * @param {Blob} blob
   * @param {string} name
   */
  preview(blob, name) {
    URL.revokeObjectURL(this.whole.src);
    this.whole.src = URL.createObjectURL(blob);
    this.name.textContent = `${name}, and what the net sees of it`;
    this.figure.hidden = false;
  }

  /**
   * @param {Card} card
   * @param {import("../engine/client.js").Given} picture
   * @returns {Promise<string | null>} the answer in a phrase; nothing if there is none
   */
  async answer({ graph, column, body, note }, picture) {
    try {
      const found = await this.engine.classify(picture, graph.source);
      if (picture !== this.picture) return null;
      const { preprocessing, untrained } = found.about;
      if (graph === this.cards[0]?.graph) drawCrop(this.seen, found.pixels, preprocessing.size);
      note.textContent = `${found.ms.toFixed(1)} ms, ${size(graph.bytes)}`;
      body.replaceChildren(bars(found.top));
      body.dataset.logits = JSON.stringify(found.logits);
      if (untrained) body.append(el("p", { class: "problem" }, "This net is untrained: its answers mean nothing."));
      const [best] = found.top;
      return `${column.title}, ${graph.title}: ${best.label}, ${percent(best.probability)}`;
    } catch (error) {
      if (picture !== this.picture) return null;
      body.replaceChildren(el("p", { class: "note" }, "no answer"));
      this.complain(sentence(error));
      return null;
    }
  }
}

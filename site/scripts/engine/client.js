/** The page's side of the worker: questions, answers, progress. */

/**
 * @typedef {object} Source where a graph is
 * @property {string} name its path in its bundle
 * @property {string} [url] where it is fetched from
 * @property {string} [archive] or the visitor's own file that holds it
 */

/** @typedef {{blob: Blob, id: number}} Given a picture; the number tells pictures apart */
/** @typedef {import("./net.js").Answer & {about: import("./description.js").Description}} Classified */

/** What went wrong, in words for the page. */
export class EngineError extends Error {
  name = "EngineError";
}

/** @typedef {{resolve: (value: any) => void, reject: (error: Error) => void, onProgress?: (progress: any) => void}} Waiting */

export class Engine {
  constructor() {
    /** @type {Map<number, Waiting>} */
    this.waiting = new Map();
    this.next = 0;
    this.worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.worker.addEventListener("message", ({ data }) => {
      const one = this.waiting.get(data.id);
      if (!one) return;
      if (data.progress) {
        one.onProgress?.(data.progress);
        return;
      }
      this.waiting.delete(data.id);
      if (data.error === undefined) one.resolve(data.result);
      else one.reject(new EngineError(data.expected ? data.error : `Something went wrong here: ${data.error}. Reload the page.`));
    });
    this.worker.addEventListener("error", (event) => {
      event.preventDefault();
      for (const { reject } of this.waiting.values()) {
        reject(new EngineError("the part of the page that runs nets could not be started; reload the page, or use a current browser"));
      }
      this.waiting.clear();
    });
  }

  /**
   * @param {string} job
   * @param {object} asked
   * @param {(progress: any) => void} [onProgress]
   * @returns {Promise<any>}
   */
  ask(job, asked, onProgress) {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, onProgress });
      this.worker.postMessage({ id, job, asked });
    });
  }

  /**
   * Fetch and open a net, so that it answers at once later.
   *
   * @param {Source} source
   * @param {(done: number) => void} [onProgress] told how many bytes are there
   * @returns {Promise<import("./description.js").Description>}
   */
  open(source, onProgress) {
    return this.ask("open", { source }, ({ done }) => onProgress?.(done));
  }

  /**
   * @param {Given} picture
   * @param {Source} source
   * @returns {Promise<Classified>}
   */
  classify(picture, source) {
    return this.ask("classify", { picture, source, most: 5 });
  }

  /**
   * @param {{base?: string, archive?: string}} bundle
   * @param {(progress: {row: import("./prove.js").Row, done: number, all: number}) => void} onRow
   * @returns {Promise<import("./prove.js").Row[]>}
   */
  prove(bundle, onRow) {
    return this.ask("prove", bundle, onRow);
  }

  /**
   * Give the worker a file of the visitor's.
   *
   * @param {string} archive what it is called from now on
   * @param {File} file
   * @returns {Promise<{path: string, size: number}[]>} the files in it
   */
  take(archive, file) {
    return this.ask("take", { archive, file, name: file.name });
  }
}

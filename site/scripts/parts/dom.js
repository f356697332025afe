/** Building and finding parts of a page. Text is always text: nothing that a file says becomes markup. */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | boolean | number>} [attributes] true sets an attribute without a value, false leaves it out
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new TypeError(`the page has no #${id}`);
  return found;
}

/**
 * @param {string} text
 * @param {() => void} act
 * @param {string} [kind] further classes
 * @returns {HTMLButtonElement}
 */
export function button(text, act, kind = "") {
  const made = el("button", { type: "button", class: `button ${kind}`.trim() }, text);
  made.addEventListener("click", act);
  return made;
}

/**
 * @param {unknown} error
 * @returns {string} a sentence
 */
export function sentence(error) {
  const text = error instanceof Error ? error.message : String(error);
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

/** The way from the page to the site's root, such as "../". */
export const ROOT = document.body.dataset.root ?? "";

/** The chart of accuracy against cost, as SVG: each point is a link with the net's name, reached by Tab too. */

const SVG = "http://www.w3.org/2000/svg";
const [LEFT, RIGHT, TOP, BOTTOM] = [50, 16, 18, 44];

/**
 * @typedef {object} Point
 * @property {string} name
 * @property {string} page
 * @property {string} dataset
 * @property {HTMLTableRowElement} row
 * @property {DOMStringMap} values
 */

/**
 * @param {string} name
 * @param {Record<string, string | number>} [attributes]
 * @param {(Node | string)[]} [children]
 * @returns {SVGElement}
 */
function svg(name, attributes = {}, children = []) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}

/**
 * @param {number} value
 * @returns {string} three digits with a prefix, as the table has it
 */
export function short(value) {
  for (const [step, prefix] of /** @type {[number, string][]} */ ([[1e9, "G"], [1e6, "M"], [1e3, "k"]])) {
    if (value >= 0.9995 * step) return `${Number((value / step).toPrecision(3))} ${prefix}`;
  }
  return String(value);
}

/**
 * @param {number} low
 * @param {number} high
 * @param {boolean} dense whether there is room for more than one a decade
 * @returns {number[]} 1, 2 or 5 times powers of ten within the limits
 */
function logTicks(low, high, dense) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const factor of dense ? [1, 2, 5] : [1]) {
      const tick = factor * 10 ** power;
      if (tick >= low && tick <= high) ticks.push(tick);
    }
  }
  return ticks;
}

/** @typedef {{left: number, right: number, top: number, bottom: number}} Box */

/**
 * @param {number} across
 * @param {number} up
 * @param {number} half half the width
 * @param {number} tall half the height
 * @returns {Box}
 */
function around(across, up, half, tall) {
  return { left: across - half, right: across + half, top: up - tall, bottom: up + tall };
}

/**
 * Find room for a point's name: to its right, left, above or below.
 *
 * @param {string} label
 * @param {number} across
 * @param {number} up
 * @param {number} width of the drawing
 * @param {Box[]} taken what the name must not lie on; the name is added
 * @returns {{x: number, y: number} | undefined} the middle of its base line, or nothing if there is no room
 */
function findPlace(label, across, up, width, taken) {
  const half = label.length * 3.6;
  const spots = [[across + half + 13, up], [across - half - 13, up], [across, up - 19], [across, up + 20]];
  for (const [x, y] of spots) {
    const box = around(x, y, half, 8);
    const free = taken.every(
      (other) => box.right < other.left || box.left > other.right || box.bottom < other.top || box.top > other.bottom,
    );
    if (free && box.left > LEFT && box.right < width) {
      taken.push(box);
      return { x, y: y + 4 };
    }
  }
  return undefined;
}

/**
 * Draw the chart anew.
 *
 * @param {HTMLElement} figure has a `.plot`
 * @param {Point[]} nets those to show
 * @param {string} key which figure lies on the horizontal axis
 * @param {string} title what it is called
 * @param {string[]} datasets all data sets, in the order of their colours
 */
export function drawChart(figure, nets, key, title, datasets) {
  const plot = figure.querySelector(".plot");
  if (!(plot instanceof HTMLElement)) throw new TypeError("the chart has no .plot");
  // One unit is one pixel, so that letters keep their size on a phone.
  const [width, height] = [Math.max(plot.clientWidth, 280), Math.max(plot.clientHeight, 200)];
  const points = nets.filter((net) => Number(net.values[key]) > 0 && net.values.top1 !== "");
  const drawing = svg("svg", {
    viewBox: `0 0 ${width} ${height}`,
    role: "group",
    "aria-label": `Top-1 accuracy against ${title}; each point is a link to a net`,
  });
  plot.replaceChildren(drawing);
  if (points.length === 0) {
    drawing.append(svg("text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, ["Nothing to draw"]));
    return;
  }
  const costs = points.map((net) => Number(net.values[key]));
  const accuracies = points.map((net) => Number(net.values.top1));
  const [low, high] = [Math.min(...costs) / 1.45, Math.max(...costs) * 1.6];
  const floor = Math.floor(Math.min(...accuracies) - 0.5);
  const ceiling = Math.ceil(Math.max(...accuracies) + 0.5);
  const x = (/** @type {number} */ value) =>
    LEFT + ((width - LEFT - RIGHT) * Math.log(value / low)) / Math.log(high / low);
  const y = (/** @type {number} */ value) =>
    height - BOTTOM - ((height - TOP - BOTTOM) * (value - floor)) / (ceiling - floor);

  const step = ceiling - floor > 6 ? 2 : 1;
  const dense = (width - LEFT - RIGHT) / Math.log10(high / low) > 240;
  for (let tick = Math.ceil(floor / step) * step; tick <= ceiling; tick += step) {
    drawing.append(
      svg("line", { x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick), class: "grid" }),
      svg("text", { x: LEFT - 10, y: y(tick) + 4, "text-anchor": "end" }, [`${tick}%`]),
    );
  }
  for (const tick of logTicks(low, high, dense)) {
    drawing.append(
      svg("line", { x1: x(tick), x2: x(tick), y1: height - BOTTOM, y2: height - BOTTOM + 5, class: "grid" }),
      svg("text", { x: x(tick), y: height - BOTTOM + 20, "text-anchor": "middle" }, [short(tick)]),
    );
  }
  drawing.append(
    svg("text", { x: width - RIGHT, y: height - 4, "text-anchor": "end" }, [`${title}, logarithmic`]),
  );

  /** @type {Box[]} what labels must not lie on: the points, then each label that is placed */
  const taken = points.map((net) => around(x(Number(net.values[key])), y(Number(net.values.top1)), 11, 11));
  const sorted = [...points].sort((first, second) => Number(first.values[key]) - Number(second.values[key]));
  for (const net of sorted) {
    const [across, up] = [x(Number(net.values[key])), y(Number(net.values.top1))];
    const colour = `data${datasets.indexOf(net.dataset) % 3}`;
    const figure = short(Number(net.values[key]));
    const told = `${net.dataset}: ${Number(net.values.top1).toFixed(2)}%, ${figure} ${title}`;
    const label = net.name.split(":")[0].replace(/^diracnet/, "");
    const place = findPlace(label, across, up, width, taken);
    const link = svg("a", { href: net.page, "aria-label": `${label}, that is ${net.name}, ${told}` }, [
      svg("circle", { cx: across, cy: up, r: 14, class: "ring" }),
      svg("circle", { cx: across, cy: up, r: 8, class: `dot ${colour}` }),
    ]);
    if (place) link.append(svg("text", { x: place.x, y: place.y, "text-anchor": "middle", class: "name" }, [label]));
    for (const event of ["pointerenter", "focus"]) link.addEventListener(event, () => tell(plot, net, told, across, up));
    for (const event of ["pointerleave", "blur"]) link.addEventListener(event, () => hush(plot, net));
    drawing.append(link);
  }
}

/**
 * Show a net's figures beside its point, and light up its row.
 *
 * @param {HTMLElement} plot
 * @param {Point} net
 * @param {string} told
 * @param {number} across
 * @param {number} up
 */
function tell(plot, net, told, across, up) {
  hush(plot, net);
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("aria-hidden", "true");
  const name = document.createElement("strong");
  name.textContent = net.name;
  tip.append(name, told);
  plot.append(tip);
  const left = Math.min(Math.max(across - tip.offsetWidth / 2, 0), plot.clientWidth - tip.offsetWidth);
  tip.style.left = `${left}px`;
  tip.style.top = `${up - tip.offsetHeight - 16}px`;
  net.row.classList.add("lit");
}

/**
 * @param {HTMLElement} plot
 * @param {Point} net
 */
function hush(plot, net) {
  plot.querySelector(".tip")?.remove();
  net.row.classList.remove("lit");
}

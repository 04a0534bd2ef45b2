// A chart over time, as SVG in pixels of the screen: values at the left, the time of day below, values under a pointer.
//
//     const chart = new Chart(definition, pointed);      // pointed(at or null): where the pointer is
//     chart.draw(points, view);                // points: [{at, values: Map(line -> number)}], view: {from, to, gap}
//     chart.point(at);                         // show the values there; null: the newest

// definition: title; lines(reading), see page.js; show(value, round), a value's text; top, if the axis has a fixed one;
// log: the axis is logarithmic; base: 2 for bytes; whole: the values count things.

import {clock} from "./readings.js";

const SVG = "http://www.w3.org/2000/svg", SVG_ELEMENTS = new Set(["svg", "g", "path", "line", "text", "circle"]);
const HEIGHT = 170, TOP = 8, BOTTOM = 20, LEFT = 62, RIGHT = 8;          // pixels
const COLOURS = 8, TICK_PIXELS = 84;
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200];      // seconds

/** An element with attributes and children. */
export function element(name, attributes = {}, ...children) {
  const made = SVG_ELEMENTS.has(name) ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A round number that is not below value: 1, 2, 5 times a power of ten, or a power of two for bytes. */
function round_up(value, base) {
  if (base === 2) return 2 ** Math.ceil(Math.log2(value));
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5, 10].find((digit) => digit * power >= value * (1 - 1e-9)) ?? 10);
}

/** A linear axis from 0: {place(value) from 0 to 1, ticks}. most: the greatest value. */
function linear(most, {top, base, whole}) {
  const step = top ? top / 4 : Math.max(whole ? 1 : 0, round_up((most || 1) / 4, base));
  const high = top || step * Math.max(1, Math.ceil(most / step));
  const ticks = Array.from({length: Math.round(high / step) + 1}, (_, n) => n * step);
  return {place: (value) => Math.min(1, value / high), ticks};
}

/** A logarithmic axis around all values, at least two powers wide. */
function logarithmic(values, base) {
  const good = values.filter((value) => value > 0), power = base === 2 ? 16 : 10;
  const least = good.length ? Math.min(...good) : 1, most = good.length ? Math.max(...good) : power;
  const low = Math.floor(Math.log(least) / Math.log(power) + 1e-9);
  const high = Math.max(low + 2, Math.ceil(Math.log(most) / Math.log(power) - 1e-9));
  const every = Math.ceil((high - low) / 4);
  const ticks = [];
  for (let n = low; n <= high; n += every) ticks.push(power ** n);
  const place = (value) => Math.max(0, Math.min(1, (Math.log(value) / Math.log(power) - low) / (high - low)));
  return {place, ticks};
}

/** Times of day that are round, as many as fit: [[at, text]]. */
function time_ticks(view, width) {
  const most = Math.max(2, Math.floor(width / TICK_PIXELS)), span = view.to - view.from;
  const step = TIME_STEPS.find((each) => span / each <= most) || TIME_STEPS.at(-1);
  const ticks = [];
  for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) ticks.push([at, clock(at, step < 60)]);
  return ticks;
}

/** Where a line goes, with a new beginning after each gap; a lone value is a dot. corners: [[at, x, y]] */
function path(corners, gap) {
  let text = "", before = null;
  for (const corner of corners) {
    if (!corner) { before = null; continue; }
    const [at, x, y] = corner, goes_on = before !== null && at - before <= gap;
    text += `${goes_on ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}${goes_on ? "" : "h0"}`;
    before = at;
  }
  return text;
}

/** One chart, in `card`. */
export class Chart {
  constructor(definition, pointed) {
    this.definition = definition;
    this.pointed = pointed;
    this.points = [];
    this.cursor = null;                            // unix seconds
    this.at = element("span", {class: "at"});
    this.svg = element("svg", {role: "img", tabindex: 0, "aria-label": definition.title});
    this.legend = element("div", {class: "legend"});
    this.card = element("section", {}, element("div", {class: "head"}, element("h2", {}, definition.title), this.at),
      this.svg, this.legend);
    for (const event of ["pointermove", "pointerdown"]) this.svg.addEventListener(event, (e) => this.follow(e));
    this.svg.addEventListener("pointerleave", (e) => { if (e.pointerType !== "touch") this.pointed(null); });
    this.svg.addEventListener("keydown", (e) => this.key(e));
  }

  draw(points, view) {
    const {log, base, show} = this.definition;
    this.points = points.filter((point) => point.at >= view.from);
    this.names = [...new Set(this.points.flatMap((point) => [...point.values.keys()]))];
    const width = Math.max(120, this.svg.clientWidth || 360);
    const values = this.points.flatMap((point) => [...point.values.values()]).filter(isFinite);
    const axis = log ? logarithmic(values, base) : linear(Math.max(0, ...values), this.definition);
    this.x = (at) => LEFT + (at - view.from) / (view.to - view.from) * (width - LEFT - RIGHT);
    this.y = (value) => HEIGHT - BOTTOM - axis.place(value) * (HEIGHT - TOP - BOTTOM);
    const drawn = [];
    for (const tick of axis.ticks) {
      const y = Math.round(this.y(tick)) + .5;
      drawn.push(element("line", {class: "grid", x1: LEFT, x2: width - RIGHT, y1: y, y2: y}));
      drawn.push(element("text", {x: LEFT - 6, y: y + 3.5, "text-anchor": "end"}, show(tick, true)));
    }
    for (const [at, text] of time_ticks(view, width - LEFT)) {
      const x = this.x(at), anchor = x < LEFT + 24 ? "start" : x > width - 30 ? "end" : "middle";
      drawn.push(element("line", {class: "grid", x1: x, x2: x, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM + 4}));
      drawn.push(element("text", {x: Math.min(x, width), y: HEIGHT - 4, "text-anchor": anchor}, text));
    }
    this.names.forEach((name, n) => {
      const corners = this.points.map(({at, values: of}) =>
        isFinite(of.get(name)) ? [at, this.x(at), this.y(of.get(name))] : null);
      drawn.push(element("path", {class: `line-${n % COLOURS}`, d: path(corners, view.gap)}));
    });
    this.marks = element("g");
    this.svg.replaceChildren(...drawn, this.marks);
  }

  point(at) {
    this.cursor = at;
    if (!this.marks) return;
    const here = at === null ? this.points.at(-1) : this.nearest(at);
    const drawn = [];
    if (here && at !== null) {
      const x = this.x(here.at);
      drawn.push(element("line", {class: "cursor", x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM}));
      this.names.forEach((name, n) => {
        const value = here.values.get(name);
        if (!isFinite(value)) return;
        drawn.push(element("circle", {class: `fill-${n % COLOURS}`, cx: x, cy: this.y(value), r: 3.5}));
      });
    }
    this.marks.replaceChildren(...drawn);
    this.at.textContent = here && at !== null ? clock(here.at) : "";
    this.legend.replaceChildren(...this.names.map((name, n) => element("span", {},
      element("i", {class: `fill-${n % COLOURS}`}), `${name} `,
      element("b", {}, this.definition.show(here?.values.get(name) ?? NaN)))));
  }

  nearest(at) {
    const off = (point) => Math.abs(point.at - at);
    return this.points.reduce((best, point) => (!best || off(point) < off(best) ? point : best), null);
  }

  follow(event) {
    if (this.points.length < 1) return;
    const x = event.clientX - this.svg.getBoundingClientRect().left, first = this.points[0], end = this.points.at(-1);
    if (this.points.length === 1) { this.pointed(first.at); return; }
    const share = (x - this.x(first.at)) / (this.x(end.at) - this.x(first.at));
    this.pointed(this.nearest(first.at + share * (end.at - first.at)).at);
  }

  key(event) {
    const steps = {ArrowLeft: -1, ArrowRight: 1};
    if (event.key === "Escape") this.pointed(null);
    if (!(event.key in steps) || !this.points.length) return;
    event.preventDefault();
    const here = this.cursor === null ? this.points.length - 1
      : this.points.indexOf(this.nearest(this.cursor));
    const there = this.points[Math.max(0, Math.min(this.points.length - 1, here + steps[event.key]))];
    this.pointed(there.at);
  }
}

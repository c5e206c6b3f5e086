// chart.js - memory in use over time: a canvas by uPlot, the same figures as a table, and one sentence for both.

import { $, el, say } from './dom.js';
import { bytes, clock, percent } from './format.js';

// One hour at one point every two seconds, with room to spare.
const POINTS_MAX = 3600;
const TABLE_ROWS = 30;
// Sizes are powers of two, so the lines of the grid are too.
const STEPS = Array.from({ length: 40 }, (_, i) => 2 ** (10 + i));
const SUMMARY_MS = 10000;

export class MemoryChart {
  constructor() {
    this.times = [];
    this.used = [];
    this.limit = [];
    this.plot = null;
    this.summaryAt = 0;
    this.asTable = false;
    this.holder = $('memory-chart');
    $('memory-toggle').addEventListener('click', () => this.#toggle());
    new ResizeObserver(() => this.#resize()).observe(this.holder);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#rebuild());
  }

  /** Adds a point; used = null draws a hole, for a time we know nothing about. */
  add(time, used, limit) {
    this.times.push(time / 1000);
    this.used.push(used);
    this.limit.push(limit);
    if (this.times.length > POINTS_MAX) {
      this.times.shift();
      this.used.shift();
      this.limit.shift();
    }
    if (used !== null) this.#now(used, limit);
    if (this.asTable) this.#table();
    else this.#draw();
  }

  #now(used, limit) {
    const share = limit > 0 ? used / limit : 0;
    say($('memory-used'), bytes(used));
    say($('memory-limit'), `of ${bytes(limit)} (${percent(share)})`);
    const meter = $('memory-meter');
    meter.value = Math.min(100, share * 100);
    meter.setAttribute('aria-valuetext', `${bytes(used)} of ${bytes(limit)}`);
    // With little in use the limit would press the curve onto the floor: then the scale fits the curve.
    say($('memory-key-limit'), this.#showsLimit() ? `limit, ${bytes(limit)}` : `limit, ${bytes(limit)}, lies above this chart`);

    if (Date.now() - this.summaryAt > SUMMARY_MS) {
      this.summaryAt = Date.now();
      const known = this.used.filter((u) => u !== null);
      this.holder.setAttribute(
        'aria-label',
        `Memory in use over time: now ${bytes(used)} of ${bytes(limit)}, lowest ${bytes(Math.min(...known))}, highest ${bytes(Math.max(...known))} in the last ${Math.max(1, Math.round((this.times.at(-1) - this.times[0]) / 60))} minutes.`,
      );
    }
  }

  #highest() {
    return this.used.reduce((most, u) => Math.max(most, u ?? 0), 0);
  }

  #showsLimit() {
    const limit = this.limit.at(-1) ?? 0;
    return limit > 0 && this.#highest() > limit * 0.3;
  }

  #options() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const font = `12px ${style.getPropertyValue('--sans')}`;
    const axis = { stroke: colour('--muted'), font, ticks: { show: false } };
    const two = (n) => String(n).padStart(2, '0');
    const hms = (s) => {
      const t = new Date(s * 1000);
      return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
    };
    return {
      width: Math.max(200, this.holder.clientWidth),
      height: 180,
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      padding: [8, 28, 0, 0],
      scales: {
        x: { time: true },
        y: { range: () => [0, Math.max(this.#highest() * 1.2, this.#showsLimit() ? this.limit.at(-1) * 1.05 : 0, 1024 * 1024)] },
      },
      axes: [
        { ...axis, grid: { show: false }, space: 90, values: (_, splits) => splits.map(hms) },
        { ...axis, size: 64, space: 44, incrs: STEPS, grid: { stroke: colour('--line'), width: 1 }, values: (_, splits) => splits.map((v) => bytes(v)) },
      ],
      series: [
        {},
        { label: 'in use', stroke: colour('--accent'), fill: colour('--accent-wash'), width: 2, points: { show: false } },
        { label: 'limit', stroke: colour('--muted'), width: 1.5, dash: [6, 4], points: { show: false } },
      ],
    };
  }

  #rebuild() {
    this.plot?.destroy();
    this.plot = null;
    this.#draw();
  }

  #draw() {
    // A line needs two points.
    if (this.asTable || this.used.filter((u) => u !== null).length < 2) return;
    const data = [this.times, this.used, this.limit];
    if (this.plot) this.plot.setData(data);
    else this.plot = new globalThis.uPlot(this.#options(), data, this.holder);
  }

  #resize() {
    const width = this.holder.clientWidth;
    if (this.plot && width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: this.plot.height });
  }

  #toggle() {
    this.asTable = !this.asTable;
    $('memory-toggle').setAttribute('aria-pressed', String(this.asTable));
    this.holder.hidden = this.asTable;
    $('memory-key').hidden = this.asTable;
    $('memory-table').hidden = !this.asTable;
    if (this.asTable) this.#table();
    else this.#draw();
  }

  /** The newest points, evenly thinned to a length that can be read. */
  #table() {
    const step = Math.max(1, Math.ceil(this.times.length / TABLE_ROWS));
    const body = el('tbody');
    for (let i = this.times.length - 1; i >= 0; i -= step) {
      body.append(
        el('tr', {},
          el('th', { scope: 'row' }, clock(this.times[i] * 1000).slice(0, 8)),
          el('td', { class: 'num' }, this.used[i] === null ? 'not known' : bytes(this.used[i])),
          el('td', { class: 'num' }, this.limit[i] === null ? '–' : bytes(this.limit[i]))),
      );
    }
    $('memory-table').replaceChildren(
      el('table', {},
        el('caption', { class: 'visually-hidden' }, 'Memory in use over time, newest first'),
        el('thead', {}, el('tr', {},
          el('th', { scope: 'col' }, 'Time'),
          el('th', { scope: 'col', class: 'num' }, 'In use'),
          el('th', { scope: 'col', class: 'num' }, 'Limit'))),
        body),
    );
  }
}

// memory.js - memory pressure and the page pool: how often pages are found in memory, and where they lie.

import { $, el, say, setPill } from './dom.js';
import { bytes, count, percent } from './format.js';

const levels = {
  normal: ['good', 'No memory pressure'],
  low: ['busy', 'Low memory pressure'],
  medium: ['warn', 'Medium memory pressure'],
  high: ['warn', 'High memory pressure'],
  critical: ['bad', 'Critical memory pressure'],
};
const sources = { pool: 'of strata.memory', cgroup: 'of what the container may have', system: 'of the memory of the machine' };
const tiers = [['hot', 'Hot'], ['warm', 'Warm (compressed)'], ['cold', 'Cold (on disk)']];

export class PoolPanel {
  constructor() {
    this.cells = new Map();
    const cell = (key) => {
      const node = el('td', { class: 'num' }, '–');
      this.cells.set(key, node);
      return node;
    };
    $('tiers').replaceChildren(
      el('caption', { class: 'visually-hidden' }, 'Pages of the pool by tier'),
      el('thead', {}, el('tr', {},
        el('th', { scope: 'col' }, 'Tier'),
        el('th', { scope: 'col', class: 'num' }, 'Pages'),
        el('th', { scope: 'col', class: 'num' }, 'Takes'),
        el('th', { scope: 'col', class: 'num' }, 'Holds'))),
      el('tbody', {}, ...tiers.map(([tier, name]) =>
        el('tr', { 'data-tier': tier }, el('th', { scope: 'row' }, name), cell(`${tier}.pages`), cell(`${tier}.bytes`), cell(`${tier}.image_bytes`)))),
    );
    this.update(null, null);
  }

  /** What /buffer/stats and /memory/pressure said; null: no answer. */
  update(stats, pressure) {
    this.#pressure(pressure);
    this.#hitRatio(stats ? stats.hit_ratio : undefined);
    say($('evictions'), stats ? count(stats.evictions) : '–');
    say($('eviction-policy'), stats ? stats.eviction_policy : '');
    const ahead = stats ? stats.prefetch_hits + stats.prefetch_wasted : 0;
    say($('read-ahead'), stats ? count(stats.prefetched) : '–');
    say($('read-ahead-note'), ahead > 0 ? `${percent(stats.prefetch_hits / ahead)} were used` : '');
    for (const [tier] of tiers) {
      const row = stats?.tiers.find((t) => t.tier === tier);
      say(this.cells.get(`${tier}.pages`), row ? count(row.pages) : '–');
      say(this.cells.get(`${tier}.bytes`), row ? bytes(row.bytes) : '–');
      say(this.cells.get(`${tier}.image_bytes`), row ? bytes(row.image_bytes) : '–');
    }
  }

  #pressure(p) {
    const [tone, words] = levels[p?.pressure_level] ?? ['idle', 'Memory pressure is not known'];
    setPill($('pressure'), tone, words);
    say($('pressure-note'), p && Number.isFinite(p.utilization_percent) ? `${percent(p.utilization_percent / 100)} ${sources[p.source] ?? ''}` : '');
  }

  /** null: there was nothing to count yet; undefined: no answer. */
  #hitRatio(ratio) {
    say($('hit-ratio'), Number.isFinite(ratio) ? percent(ratio) : '–');
    say($('hit-ratio-note'), ratio === null ? 'nothing read yet' : '');
  }
}

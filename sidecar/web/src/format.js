// format.js - numbers, sizes, times and events as words.  Pure: no DOM, no state.

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
const whole = new Intl.NumberFormat('en');
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** A size as PostgreSQL writes it: powers of 1024, kB MB GB. */
export function bytes(n) {
  if (n === null || n === undefined || !Number.isFinite(Number(n))) return '–';
  let value = Number(n);
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** A count in full below 10,000 and short above. */
export function count(n) {
  if (n === null || n === undefined || !Number.isFinite(Number(n))) return '–';
  return Math.abs(n) < 10000 ? whole.format(n) : compact.format(n);
}

export function exact(n) {
  return n === null || n === undefined ? '–' : whole.format(n);
}

export function percent(share) {
  if (!Number.isFinite(share)) return '–';
  const p = share * 100;
  // 100 % is said only of the whole.
  if (p > 99 && p < 100) return `${(Math.floor(p * 10) / 10).toFixed(1)} %`;
  return `${p > 0 && p < 10 ? p.toFixed(1) : Math.round(p)} %`;
}

export function ratio(n) {
  return Number.isFinite(n) && n > 0 ? `${n >= 10 ? n.toFixed(0) : n.toFixed(1)}×` : '–';
}

export function duration(ms) {
  if (!Number.isFinite(ms)) return '–';
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 60000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60000)} min ${Math.round((ms % 60000) / 1000)} s`;
}

/** How long ago a time was, in words; `now` is given so that the function stays pure. */
export function ago(time, now) {
  if (!time) return 'never';
  const s = Math.max(0, Math.round((now - new Date(time).getTime()) / 1000));
  if (Number.isNaN(s)) return '–';
  if (s < 5) return 'just now';
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86400)} d ago`;
}

export function clock(time) {
  const t = new Date(time);
  if (Number.isNaN(t.getTime())) return '–';
  const two = (n) => String(n).padStart(2, '0');
  return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}.${String(t.getMilliseconds()).padStart(3, '0')}`;
}

/** The level as people write it. */
export function simdLevel(level) {
  return { avx512: 'AVX-512', avx2: 'AVX2', sse42: 'SSE4.2', scalar: 'scalar' }[level] ?? String(level ?? '–');
}

const reasons = {
  memory_pressure: 'memory was short',
  policy: 'the policy chose it',
  manual: 'asked for by hand',
  ddl: 'its table was changed',
};

const allocators = { slab: 'Slabs', arena: 'Arenas', large_object: 'Large objects', large: 'Large objects', pool: 'The page pool' };

/** "7 pages", "1 page". */
const pages = (n) => `${count(n)} ${Number(n) === 1 ? 'page' : 'pages'}`;

const nouns = { simd_filter: 'Filtered', simd_aggregate: 'Aggregated', simd_scan: 'Scanned', simd_hash: 'Hashed', simd_string_match: 'Matched strings of' };

/** One sentence for an event; an event this page does not know is shown field by field. */
export function sentence(e) {
  switch (e.event_type) {
    case 'server_started':
      return 'PostgreSQL started and made a new event ring.';
    case 'ring_lost':
      return `${exact(e.lost)} events were overwritten before they could be read.`;
    case 'population_started':
      return `Started to copy ${e.table_name} into columns${e.total_rows ? ` (about ${count(e.total_rows)} rows)` : ''}.`;
    case 'population_progress':
      return `${e.table_name}: ${count(e.rows_populated)} rows copied, ${Math.round(e.progress_percent)} % of its blocks.`;
    case 'population_completed':
      return e.error
        ? `Copying ${e.table_name} stopped (${e.status}): ${e.error}`
        : `${e.table_name} is in columns: ${count(e.rows_populated)} rows in ${bytes(e.memory_used_bytes)}, ${duration(e.duration_ms)}.`;
    case 'table_evicted':
      return `${e.table_name} left the column store, ${bytes(e.memory_freed_bytes)} freed: ${reasons[e.reason] ?? e.reason}.`;
    case 'segment_evicted':
      return `Unit ${e.segment_id} of ${e.table_name} left the column store, ${bytes(e.memory_freed_bytes)} freed: ${reasons[e.reason] ?? e.reason}.`;
    case 'compression_started':
      return `Encoding ${e.table_name}.${e.column_name} (${bytes(e.original_bytes)}).`;
    case 'compression_completed':
      return `${e.table_name}.${e.column_name}: ${bytes(e.original_bytes)} became ${bytes(e.compressed_bytes)} as ${e.compression_type}.`;
    case 'simd_filter':
    case 'simd_hash':
    case 'simd_string_match':
    case 'simd_aggregate':
    case 'simd_scan': {
      const of = e.event_type === 'simd_filter' ? `, ${percent(e.selectivity)} kept` : '';
      return `${nouns[e.event_type]} ${count(e.rows_processed)} rows of ${e.table_name ?? 'a table'} in ${duration(e.duration_us / 1000)}${of}.`;
    }
    case 'pressure_warning':
    case 'pressure_critical':
    case 'pressure_resolved': {
      const actions = [e.actions_taken ?? []].flat();
      const share = `${percent(e.utilization_percent / 100)} of ${bytes(e.total_bytes)} in use (${e.source})`;
      if (e.event_type === 'pressure_resolved') return `Memory pressure is gone: ${share}.`;
      return `Memory pressure is ${e.pressure_level}: ${share}${actions.length ? `; done about it: ${actions.join(', ')}` : ''}.`;
    }
    case 'gc_started':
      return `Garbage collection began (${e.gc_type}).`;
    case 'gc_completed':
      return `Garbage collection (${e.gc_type}) freed ${bytes(e.freed_bytes)} in ${duration(e.duration_ms)}.`;
    case 'allocator_stats':
      return `${allocators[e.allocator_type] ?? e.allocator_type}: ${bytes(e.current_bytes)} in use, ${bytes(e.peak_bytes)} at most.`;
    case 'page_evicted':
    case 'batch_evicted':
      return `${pages(e.num_pages)} moved from ${e.from_tier} to ${e.to_tier}, chosen by ${e.eviction_policy}.`;
    case 'page_flushed':
      return `${pages(e.num_pages)} written to the cold file.`;
    case 'stats_update':
      return `Page pool: ${count(e.free_frames)} of ${count(e.total_frames)} frames free${e.hit_ratio > 0 ? `, ${percent(e.hit_ratio)} found in memory` : ''}.`;
    default:
      return details(e).map(([key, value]) => `${key} ${value}`).join(', ');
  }
}

const envelope = new Set(['event_type', 'seq', 'timestamp', 'topic']);

/** Every field of an event but its envelope, as text. */
export function details(e) {
  return Object.entries(e)
    .filter(([key, value]) => !envelope.has(key) && value !== null && value !== undefined)
    .map(([key, value]) => [key, typeof value === 'object' ? JSON.stringify(value) : String(value)]);
}

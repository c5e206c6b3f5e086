// Memory and the page pool: every endpoint agrees with SQL, and every answer agrees with /openapi.json.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Description } from './lib/openapi.js';
import { Postgres } from './lib/postgres.js';
import { Stratad } from './lib/stratad.js';
import { until } from './lib/wait.js';
import { Client } from './lib/websocket.js';

let pg;
let stratad;
let description;

before(async () => {
  pg = await Postgres.create();
  await pg.table('sales', 200000);
  await pg.populate('sales');
  stratad = await Stratad.start({ pg });
  description = new Description((await stratad.get('/openapi.json')).body);
});

after(async () => {
  await stratad.stop();
  await pg.drop();
});

/** A request whose answer must be as described. */
async function call(method, path, { status = 200, ...options } = {}) {
  const answer = await stratad.request(method, `/api/v1${path}`, options);
  assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
  description.check(method, `/api/v1${path}`, answer);
  return answer.body;
}

const get = (path, options) => call('GET', path, options);
const post = (path, body, options) => call('POST', path, { body, ...options });
const put = (path, body, options) => call('PUT', path, { body, ...options });

/** Pages by SQL; OIDs, which psql's JSON has as text, as the numbers that REST has. */
const pages = async (where = 'true') => (await pg.rows(`SELECT * FROM strata.pool_pages WHERE ${where} ORDER BY page_id`))
  .map((p) => ({ ...p, database: Number(p.database), relid: Number(p.relid) }));

test('buffer stats are those of SQL, with the tiers', async () => {
  const body = await get('/buffer/stats');
  const [sql] = await pg.rows('SELECT * FROM strata.pool_stats()');
  for (const key of ['total_frames', 'used_frames', 'free_frames', 'frame_bytes', 'pages', 'page_writes', 'evictions', 'lost_pages', 'eviction_policy']) {
    assert.deepEqual(body[key], sql[key], key);
  }
  assert.deepEqual(Object.keys(body).filter((key) => key !== 'tiers'), Object.keys(sql));
  assert.ok(body.pages > 0 && body.used_frames > 0);
  assert.deepEqual(body.tiers.map((t) => t.tier), ['hot', 'warm', 'cold']);
  assert.equal(body.tiers.reduce((sum, t) => sum + t.pages, 0), body.pages);

  await pg.sql('SELECT min(day), max(day) FROM sales WHERE amount > 3'); // not answered by zone maps
  // A backend adds its hits to the sum when it has some dozens, or ends.
  const ratio = await until('the hits to be counted', async () => {
    const body = await get('/buffer/hit-ratio');
    return body.hits > 0 && body;
  });
  assert.ok(ratio.hit_ratio > 0 && ratio.hit_ratio <= 1);
  assert.ok(Math.abs(ratio.hit_ratio + ratio.miss_ratio - 1) < 1e-9);
  const eviction = await get('/buffer/eviction/stats');
  assert.equal(eviction.eviction_policy, sql.eviction_policy);
  assert.deepEqual(eviction.policy_stats.map((p) => p.name).sort(), (await pg.rows('SELECT name FROM strata.pool_policy_stats()')).map((p) => p.name).sort());
});

test('pages: list, filters, names', async () => {
  const all = await pages();
  const body = await get('/buffer/pages?limit=1000');
  assert.equal(body.total, all.length);
  const unsteady = ({ pins, policy_state, ...rest }) => rest;
  assert.deepEqual(body.pages.map(unsteady), all.slice(0, 1000).map(unsteady));
  assert.ok(body.pages.every((p) => p.table_name === 'sales' && p.schema_name === 'public'));
  assert.ok(body.pages.some((p) => p.column_name === 'amount'));
  const hot = await get('/buffer/pages?tier=hot&limit=1');
  assert.equal(hot.total, all.filter((p) => p.tier === 'hot').length);
  assert.equal(hot.pages.length, 1);
  assert.equal((await get(`/buffer/pages?relid=${all[0].relid}`)).total, all.length);
  assert.equal((await get('/buffer/pages?relid=1')).total, 0);
  const dirty = (await get('/buffer/pages?dirty=true')).total;
  const clean = (await get('/buffer/pages?dirty=false')).total;
  assert.equal(dirty + clean, all.length);
  for (const query of ['tier=lukewarm', 'dirty=perhaps', 'pinned=1', 'relid=x', 'relid=-1', 'limit=0', 'colour=red']) await get(`/buffer/pages?${query}`, { status: 400 });
});

test('flush writes dirty pages, and they stay', async () => {
  await pg.sql("SELECT strata.populate('sales', force => true)");
  const before = await get('/buffer/stats');
  const { pages_written: written } = await post('/buffer/flush', { force: true });
  const after = await get('/buffer/stats');
  assert.equal(after.dirty_pages, 0);
  assert.ok(after.page_writes >= before.page_writes + written);
  assert.ok(before.dirty_pages === 0 || written > 0);
  assert.equal(after.pages, before.pages);
  assert.equal((await post('/buffer/flush', undefined)).pages_written, 0);
  await post('/buffer/flush', { force: 'yes' }, { status: 400 });
});

test('pin and unpin belong to this stratad, however many connections it has', async () => {
  const [page] = await pages("tier = 'hot'");
  const pins = async () => (await pages(`page_id = ${page.page_id}`))[0].pins;
  const before = Date.now();
  const pinned = await post(`/buffer/pages/${page.page_id}/pin`, { expires_seconds: 600 });
  assert.equal(pinned.page_id, page.page_id);
  assert.ok(Math.abs(Date.parse(pinned.expires_at) - before - 600000) < 60000, pinned.expires_at);
  assert.equal(await pins(), 1);
  assert.equal((await get('/buffer/pages?pinned=true')).total, 1);
  await post(`/buffer/pages/${page.page_id}/pin`, undefined);
  assert.equal(await pins(), 2);
  // Other requests keep the connections busy meanwhile, so that a pin on the wrong one would show.
  await Promise.all(Array.from({ length: 12 }, (_, i) => (i % 6 === 0
    ? call('POST', `/buffer/pages/${page.page_id}/unpin`)
    : get('/buffer/pages?limit=1'))));
  assert.equal(await pins(), 0);
  await call('POST', `/buffer/pages/${page.page_id}/unpin`, { status: 409 });

  for (const id of ['0', '9223372036854775807', '9223372036854775808', '-1', 'x', '1.5', '99999999999999999999']) {
    await post(`/buffer/pages/${id}/pin`, undefined, { status: 404 });
  }
  await call('POST', '/buffer/pages/x/unpin', { status: 404 });
  for (const seconds of [0, -1, 86401, 1.5, '60']) await post(`/buffer/pages/${page.page_id}/pin`, { expires_seconds: seconds }, { status: 400 });
});

test('a pin ends with its time, and with stratad', async () => {
  const [page] = await pages("tier = 'hot'");
  const pins = async () => (await pages(`page_id = ${page.page_id}`))[0].pins;
  await post(`/buffer/pages/${page.page_id}/pin`, { expires_seconds: 1 });
  assert.equal(await pins(), 1);
  await until('the pin to expire', async () => (await pins()) === 0, 30000);
  await post(`/buffer/pages/${page.page_id}/pin`, { expires_seconds: 3600 });
  await stratad.stop();
  await until('the pin to go with the connection', async () => (await pins()) === 0, 30000);
  await stratad.launch();
  await stratad.waitReady();
});

test('prefetch brings cold pages into memory', async () => {
  await pg.sql("SELECT strata.populate('sales', force => true)");
  await post('/memory/pressure/release', { target_percent: 0 });
  const away = await pages("tier <> 'hot'");
  assert.ok(away.length > 0, 'pages have left memory');
  const ids = away.slice(0, 8).map((p) => p.page_id);
  const { queued } = await post('/buffer/prefetch', { page_ids: [...ids, ids[0], 1] });
  assert.equal(queued, ids.length);
  await until('the worker to load them', async () => (await pages(`page_id IN (${ids}) AND tier = 'hot'`)).length === ids.length);
  assert.equal((await post('/buffer/prefetch', { page_ids: ids })).queued, 0);
  for (const body of [{}, { page_ids: [null] }, { page_ids: ['x'] }, { page_ids: 1 }, { page_ids: [1.5] }]) await post('/buffer/prefetch', body, { status: 400 });
});

test('a simulation runs the policies of the server', async () => {
  const trace = Array.from({ length: 1100 }, (_, i) => i % 11);
  const lirs = await post('/buffer/simulate', { policy: 'LIRS', frames: 10, trace });
  const lru = await post('/buffer/simulate', { policy: 'LRU', frames: 10, trace });
  assert.equal(lru.hits, 0);
  assert.equal(lru.misses, 1100);
  const [sql] = await pg.rows("SELECT * FROM strata.pool_simulate('LIRS', 10, (SELECT array_agg(i % 11 ORDER BY i) FROM generate_series(0::bigint, 1099) i))");
  assert.deepEqual(lirs, sql);
  for (const body of [{ policy: 'FIFO', frames: 1, trace }, { policy: 'LRU', frames: 0, trace }, { policy: 'LRU', trace }, { policy: 'LRU', frames: 1, trace: [null] }, { policy: 'LRU', frames: 1, trace: ['1'] }]) {
    await post('/buffer/simulate', body, { status: 400 });
  }
});

test('configuration of memory, pool and prefetch: each its own settings', async () => {
  const setting = (name) => pg.value(`SELECT setting FROM pg_settings WHERE name = 'strata.${name}'`);
  for (const [path, change, wrong] of [
    ['/memory/config', { pressure_low: 60 }, [{ pressure_low: 1000 }, { pressure_low: 'much' }, { prefetch: true }]],
    ['/buffer/config', { eviction_policy: 'LIRS', lirs_hir_ratio: 0.05, flush_batch: 32 }, [{ eviction_policy: 'FIFO' }, { lirs_hir_ratio: 7 }, { cold_path: '/tmp/x' }, { memory: 1 }]],
    ['/buffer/prefetch/config', { prefetch: false, prefetch_pages: 16 }, [{ prefetch_pages: 257 }, { prefetch_pages: 0 }, { prefetch: 'perhaps' }, { flush_batch: 1 }]],
  ]) {
    const shown = (await get(path)).settings.map((row) => row.name.replace('strata.', ''));
    const { document } = description;
    const body = document.paths[`/api/v1${path}`].put.requestBody.content['application/json'].schema.$ref.split('/').pop();
    for (const name of Object.keys(document.components.schemas[body].properties)) assert.ok(shown.includes(name), `${path} shows ${name}`);
    const [first] = await pg.rows(`SELECT * FROM strata.settings WHERE name = 'strata.${shown[0]}'`);
    assert.deepEqual((await get(path)).settings[0], first);

    for (const part of wrong) await put(path, { ...change, ...part }, { status: 400 });
    const changed = await put(path, change);
    assert.deepEqual(changed.changed.sort(), Object.keys(change).map((name) => `strata.${name}`).sort());
    for (const [name, value] of Object.entries(change)) {
      const want = value === true ? 'on' : value === false ? 'off' : String(value);
      await until(`strata.${name} to be ${want}`, async () => (await setting(name)) === want);
    }
    if (path === '/buffer/config') {
      await until('the policy to run', async () => (await get('/buffer/stats')).eviction_policy === 'LIRS');
      assert.ok((await get(path)).settings.some((row) => row.name === 'strata.cold_path'));
    }
    await put(path, Object.fromEntries(Object.keys(change).map((name) => [name, null])));
  }
  await until('the old policy', async () => (await get('/buffer/stats')).eviction_policy === 'ARC');
});

test('status and allocators add up, and agree with SQL', async () => {
  const status = await get('/memory/status');
  const [sql] = await pg.rows('SELECT * FROM strata.memory_status()');
  assert.deepEqual(Object.keys(status), Object.keys(sql));
  for (const key of ['reserved_bytes', 'limit_bytes', 'page_size', 'overhead_bytes', 'huge_pages']) assert.deepEqual(status[key], sql[key], key);
  assert.equal(status.used_bytes, status.slab_bytes + status.arena_bytes + status.large_bytes + status.pool_bytes + status.overhead_bytes);
  assert.ok(status.pool_bytes > 0);

  const names = (await pg.rows('SELECT allocator FROM strata.allocator_stats()')).map((a) => a.allocator);
  const all = await get('/memory/allocator/stats?limit=1000');
  assert.deepEqual(all.allocators.map((a) => a.allocator), names);
  const { allocators } = await get('/memory/allocators');
  assert.deepEqual(allocators.map((a) => a.allocator), ['arena', 'large_object', 'pool', 'slab']);
  const slab = await get('/memory/allocators/slab/stats');
  assert.deepEqual(slab.classes.map((c) => c.allocator), names.filter((n) => n.startsWith('slab ')));
  const pool = await get('/memory/allocators/pool/stats');
  assert.deepEqual([pool.allocator, pool.classes], ['pool', []]);
  assert.ok(pool.current_bytes > 0 && pool.peak_bytes >= pool.current_bytes);
  assert.equal((await get('/memory/allocators/slab%2064/stats')).allocator, 'slab 64');
  await get('/memory/allocators/heap/stats', { status: 404 });

  const { pools } = await get('/memory/pools?limit=1000');
  const contexts = await pg.rows('SELECT id, parent_id, name FROM strata.memory_contexts ORDER BY level, id');
  assert.deepEqual(pools.map(({ id, parent_id, name }) => ({ id, parent_id, name })), contexts);
  assert.ok(pools.length > 1 && pools[0].name === 'root');
});

test('the memory debugger: allocations while it records, and what nobody can free', async () => {
  assert.deepEqual((await get('/memory/debug/allocations')).allocations, []);
  await put('/memory/config', { memory_debug: true });
  await until('the debugger to record', async () => (await pg.value('SELECT recording FROM strata.memory_debug_status()')) === true);
  await pg.sql("SELECT strata.populate('sales', force => true)");
  const list = await get('/memory/debug/allocations?limit=1000');
  const sql = await pg.rows('SELECT address, site, bytes, pid FROM strata.allocations ORDER BY allocated_at, address LIMIT 1000');
  assert.ok(list.total > 0, 'population was recorded');
  assert.deepEqual(list.allocations.map(({ address, site, bytes, pid }) => ({ address, site, bytes, pid })), sql);
  assert.ok(list.allocations.every((a) => a.age_ms >= 0));
  const leaks = await get('/memory/debug/leaks?min_age_seconds=0');
  assert.equal(leaks.total, (await pg.rows("SELECT 1 FROM strata.leaks('0 s')")).length);
  await get('/memory/debug/leaks');
  for (const query of ['min_age_seconds=-1', 'min_age_seconds=x', 'colour=red']) await get(`/memory/debug/leaks?${query}`, { status: 400 });
  await put('/memory/config', { memory_debug: null });
});

test('pressure, garbage collection, huge pages', async () => {
  const body = await get('/memory/pressure');
  const [sql] = await pg.rows('SELECT * FROM strata.memory_pressure()');
  assert.deepEqual(Object.keys(body), Object.keys(sql));
  assert.equal(body.pressure_level, sql.pressure_level);
  assert.deepEqual([body.low_percent, body.medium_percent, body.high_percent, body.critical_percent], [70, 80, 90, 95]);
  assert.ok(body.sources.pool.total_bytes > 0 && 'demote_to_cold' in body.actions);
  assert.equal((await post('/memory/gc', undefined)).gc_type, 'major');
  assert.equal((await post('/memory/gc', { aggressive: true })).gc_type, 'full');
  const { freed_bytes: freed } = await post('/memory/pressure/release', { target_percent: 100 });
  assert.equal(freed, 0);
  for (const wrong of [{}, { target_percent: -1 }, { target_percent: 101 }, { target_percent: 'half' }]) await post('/memory/pressure/release', wrong, { status: 400 });
  const huge = await get('/buffer/hugepages');
  assert.deepEqual(huge.hugepages.map((h) => [h.kind, h.page_bytes]), (await pg.rows('SELECT kind, page_bytes FROM strata.hugepages() ORDER BY kind, page_bytes')).map((h) => [h.kind, h.page_bytes]));
});

test('events of memory and of the pool have their own sockets', async () => {
  const memory = await Client.subscribed(stratad, {}, { path: '/api/v1/ws/memory/events' });
  const buffer = await Client.subscribed(stratad, {}, { path: '/api/v1/ws/buffer/events' });
  await post('/memory/gc', { aggressive: true });
  const done = await memory.wait('gc_completed');
  assert.equal(done.gc_type, 'full');
  await pg.sql("SELECT strata.populate('sales', force => true)");
  await post('/memory/pressure/release', { target_percent: 0 });
  await until('pages to be evicted', () => buffer.of('page_evicted').length + buffer.of('batch_evicted').length > 0);
  const moved = buffer.events.find((e) => /_evicted$/.test(e.event_type));
  assert.ok(moved.num_pages >= 1 && ['warm', 'cold'].includes(moved.to_tier), JSON.stringify(moved));
  assert.ok(memory.events.every((e) => /^(pressure|gc|allocator)_/.test(e.event_type)), JSON.stringify(memory.events.map((e) => e.event_type)));
  assert.ok(buffer.events.every((e) => /^(page|batch|stats)_/.test(e.event_type)), JSON.stringify(buffer.events.map((e) => e.event_type)));
  for (const client of [memory, buffer]) client.socket.close();
});

test('without mutations nothing can be changed, and all can be read', async () => {
  const quiet = await Stratad.start({ pg, mutations: false });
  for (const [method, path, body] of [
    ['POST', '/memory/gc', {}], ['POST', '/memory/pressure/release', { target_percent: 50 }], ['PUT', '/memory/config', { pressure_low: 60 }],
    ['POST', '/buffer/flush', {}], ['PUT', '/buffer/config', { flush_batch: 1 }], ['PUT', '/buffer/prefetch/config', { prefetch: false }],
    ['POST', '/buffer/prefetch', { page_ids: [1] }], ['POST', '/buffer/pages/1/pin', {}], ['POST', '/buffer/pages/1/unpin'],
  ]) {
    const answer = await quiet.request(method, `/api/v1${path}`, { body });
    assert.equal(answer.status, 403, `${method} ${path}`);
    assert.equal(answer.body.code, 'mutations_disabled');
  }
  assert.equal((await quiet.get('/api/v1/buffer/stats')).status, 200);
  assert.equal((await quiet.post('/api/v1/buffer/simulate', { policy: 'LRU', frames: 1, trace: [1] })).status, 200);
  await quiet.stop();
});

test('every operation on memory and the pool was answered and held against the description', () => {
  const good = new Set([...description.answered].filter((a) => /\s2\d\d$/.test(a)).map((a) => a.replace(/ 2\d\d$/, '')));
  const wanted = description.operations().map(({ path, method }) => `${method} ${path}`).filter((o) => / \/api\/v1\/(memory|buffer)\//.test(o));
  assert.ok(wanted.length > 15);
  assert.deepEqual(wanted.filter((o) => !good.has(o)), []);
});

// Every documented endpoint: its good answer agrees with SQL, and every answer agrees with /openapi.json.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Description } from './lib/openapi.js';
import { Postgres } from './lib/postgres.js';
import { Stratad } from './lib/stratad.js';
import { until } from './lib/wait.js';

let pg;
let stratad;
let description;

before(async () => {
  pg = await Postgres.create();
  await pg.table('sales', 50000);
  await pg.sql('CREATE SCHEMA east; CREATE SCHEMA west');
  await pg.table('east.orders', 1000);
  await pg.table('west.orders', 1000);
  await pg.table('"Odd name/%"', 100);
  stratad = await Stratad.start({ pg });
  description = new Description((await stratad.get('/openapi.json')).body);
});

after(async () => {
  await stratad.stop();
  await pg.drop();
});

/** A request whose answer must be as described. */
async function call(method, path, { status = 200, ...options } = {}) {
  const answer = await stratad.request(method, path, options);
  assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
  description.check(method, path, answer);
  return answer;
}

const get = (path, options) => call('GET', path, options);
const post = (path, body, options) => call('POST', path, { body, ...options });

const finished = (job) => until(`job ${job} to end`, async () => {
  const { body } = await get(`/api/v1/jobs/${job}`);
  return ['done', 'failed', 'cancelled'].includes(body.state) && body;
}, 60000);

async function populateAndWait(body) {
  const answer = await post('/api/v1/inmemory/populate', body, { status: 202 });
  assert.equal(answer.headers.location, `/api/v1/jobs/${answer.body.job_id}`);
  const job = await finished(answer.body.job_id);
  assert.equal(job.state, 'done', JSON.stringify(job));
  return job;
}

test('enable, populate, status, segments, evict, disable: the life of a table', async () => {
  await post('/api/v1/inmemory/enable', { table: 'public.sales', priority: 'high' });
  const enabled = (await get('/api/v1/inmemory/tables/public.sales/status')).body;
  assert.equal(enabled.table_name, 'sales');
  assert.equal(enabled.priority, 'high');

  const job = await populateAndWait({ table: 'public.sales' });
  assert.equal(job.kind, 'populate');
  assert.match(job.target, /sales/);

  const { body: table } = await get('/api/v1/inmemory/tables/public.sales/status');
  assert.equal(table.status, 'populated');
  assert.equal(table.rows_in_columns, 50000);
  assert.equal(table.populated_blocks, table.total_blocks);
  assert.ok(table.bytes > 0 && table.bytes < table.bytes_raw);
  const [row] = await pg.rows("SELECT rows_in_columns, units, bytes, bytes_raw, compression_ratio, priority FROM strata.column_tables WHERE table_name = 'sales'");
  for (const [key, value] of Object.entries(row)) assert.deepEqual(table[key], value, key);

  const { body: segments } = await get('/api/v1/inmemory/tables/public.sales/segments?limit=1000');
  const [{ count }] = await pg.rows("SELECT count(*) FROM strata.column_segments WHERE table_name = 'sales'");
  assert.equal(segments.total, count);
  assert.equal(segments.segments.length, count);
  assert.deepEqual([...new Set(segments.segments.map((s) => s.column_name))].sort(), ['amount', 'day', 'id', 'kind']);
  const ids = segments.segments.find((s) => s.column_name === 'id' && s.unit === 0);
  assert.equal(ids.min, '1');

  const { body: evicted } = await post('/api/v1/inmemory/evict', { table: 'public.sales' });
  assert.equal(evicted.freed_bytes, table.bytes);
  assert.equal((await get('/api/v1/inmemory/tables/public.sales/status')).body.bytes, 0);

  await call('POST', '/api/v1/inmemory/disable?table=public.sales');
  assert.equal(await pg.value("SELECT count(*) FROM strata.column_tables WHERE table_name = 'sales' AND status <> 'disabled'"), 0);
});

test('enable keeps what it is told', async () => {
  await post('/api/v1/inmemory/enable', { table: 'sales', columns: ['id', 'kind'], priority: 'critical', compression: 'dictionary' });
  const { body } = await get('/api/v1/inmemory/tables/sales/status');
  assert.deepEqual(body.columns, ['id', 'kind']);
  assert.equal(body.priority, 'critical');
  assert.equal(body.compression, 'dictionary');
  await call('POST', '/api/v1/inmemory/disable?table=sales');
});

test('the status is a list with filters, limit and offset', async () => {
  for (const name of ['sales', 'east.orders', 'west.orders']) await post('/api/v1/inmemory/enable', { table: name });
  await populateAndWait({ table: 'east.orders' });
  const { body: all } = await get('/api/v1/inmemory/status');
  assert.equal(all.total, all.tables.length);
  assert.ok(all.total >= 3);
  assert.equal(all.limit, 50);
  assert.equal(all.offset, 0);
  const { body: one } = await get('/api/v1/inmemory/status?limit=1&offset=1');
  assert.equal(one.tables.length, 1);
  assert.equal(one.total, all.total);
  assert.equal(one.tables[0].table_name, all.tables[1].table_name);
  const { body: beyond } = await get('/api/v1/inmemory/status?offset=100000');
  assert.deepEqual(beyond.tables, []);
  const { body: populated } = await get('/api/v1/inmemory/status?status=populated');
  assert.deepEqual(populated.tables.map((t) => `${t.schema_name}.${t.table_name}`), ['east.orders']);
  for (const query of ['limit=0', 'limit=1001', 'limit=-1', 'limit=x', 'limit=', 'limit=1.5', 'limit=99999999999999999999', 'offset=-1', 'offset=x', 'status=weather', 'limit=1&limit=2', 'colour=red']) {
    await get(`/api/v1/inmemory/status?${query}`, { status: 400 });
  }
});

test('a name that fits two tables is 409 and names both', async () => {
  const { body } = await get('/api/v1/inmemory/tables/orders/status', { status: 409 });
  assert.deepEqual([...body.candidates].sort(), ['east.orders', 'west.orders']);
  await get('/api/v1/inmemory/tables/east.orders/status');
  await post('/api/v1/inmemory/populate', { table: 'orders' }, { status: 409 });
});

test('names with capitals, blanks and signs', async () => {
  const name = 'public."Odd name/%"';
  await post('/api/v1/inmemory/enable', { table: name });
  const { body } = await get(`/api/v1/inmemory/tables/${encodeURIComponent(name)}/status`);
  assert.equal(body.table_name, 'Odd name/%');
  await call('POST', `/api/v1/inmemory/disable?table=${encodeURIComponent(name)}`);
  for (const evil of ["x'; DROP TABLE sales; --", 'sales"; DROP TABLE sales; --', "sales' OR 1=1", '\\', '$1', '%s', '../sales']) {
    const answer = await stratad.get(`/api/v1/inmemory/tables/${encodeURIComponent(evil)}/status`);
    assert.ok([400, 404].includes(answer.status), `${evil}: ${answer.status}`);
    const posted = await stratad.post('/api/v1/inmemory/enable', { table: evil });
    assert.ok([400, 404].includes(posted.status), `${evil}: ${posted.status}`);
  }
  assert.equal(await pg.value('SELECT count(*) FROM sales'), 50000);
});

test('stats agree with SQL', async () => {
  await pg.sql('SELECT sum(amount) FROM sales');
  const [sql] = await pg.rows('SELECT * FROM strata.column_stats()');
  const { body } = await get('/api/v1/inmemory/stats');
  for (const key of Object.keys(sql)) assert.equal(typeof body[key], 'number', key);
  for (const key of ['tables', 'units', 'rows', 'bytes', 'limit_bytes', 'rows_populated', 'units_populated', 'population_errors']) assert.equal(body[key], sql[key], key);
});

test('compact is a job', async () => {
  await populateAndWait({ table: 'sales' });
  await pg.sql('UPDATE sales SET amount = amount + 1 WHERE id <= 10');
  const { body } = await post('/api/v1/inmemory/compact', { table: 'sales' }, { status: 202 });
  const job = await finished(body.job_id);
  assert.equal(job.kind, 'compact');
  assert.equal(job.state, 'done');
});

test('evict down to a share of the memory', async () => {
  await populateAndWait({ table: 'sales' });
  const { body } = await post('/api/v1/inmemory/evict', { threshold_percent: 0 });
  assert.ok(body.freed_bytes > 0);
  assert.equal((await get('/api/v1/inmemory/stats')).body.bytes, 0);
});

test('jobs: list, one, cancel, unknown', async () => {
  const { body: list } = await get('/api/v1/jobs');
  assert.ok(list.total >= 1);
  const [first] = list.jobs;
  const { body: one } = await get(`/api/v1/jobs/${first.id}`);
  assert.equal(one.id, first.id);
  await get('/api/v1/jobs/999999999', { status: 404 });
  await call('DELETE', '/api/v1/jobs/999999999', { status: 404 });
  for (const id of ['x', '-1', '1.5', '99999999999999999999']) {
    const answer = await stratad.get(`/api/v1/jobs/${id}`);
    assert.ok([400, 404].includes(answer.status), id);
    description.check('GET', `/api/v1/jobs/${id}`, answer);
  }
});

test('configuration: read, change, refuse all of it when one part is wrong', async () => {
  const path = '/api/v1/inmemory/config';
  const setting = async (name) => (await get(path)).body.settings.find((row) => row.name === `strata.${name}`);
  const inServer = (name) => pg.value(`SELECT setting FROM pg_settings WHERE name = 'strata.${name}'`);
  const [auto] = await pg.rows("SELECT * FROM strata.settings WHERE name = 'strata.auto_populate'");
  assert.deepEqual(await setting('auto_populate'), auto);

  const { body: changed } = await call('PUT', path, { body: { auto_populate: true, memory: 128 * 1024 * 1024 } });
  assert.deepEqual([...changed.changed].sort(), ['strata.auto_populate', 'strata.memory']);
  assert.deepEqual(changed.restart_needed, []);
  await until('the settings', async () => (await inServer('auto_populate')) === 'on');
  await until('the limit', async () => (await get('/api/v1/inmemory/stats')).body.limit_bytes === 128 * 1024 * 1024);

  for (const wrong of [{ memory: 'much' }, { memory: -1 }, { memory: '1 parsec' }, { memory: true }, { auto_populate: 'perhaps' }, { simd: 'mmx' }, { colour: 1 }, { 'auto_populate; DROP TABLE sales': 1 }, { event_ring_path: '/x' }]) {
    await call('PUT', path, { body: { auto_populate: false, ...wrong }, status: 400 });
  }
  await call('PUT', path, { body: {}, status: 400 });
  assert.equal(await inServer('auto_populate'), 'on', 'nothing was changed');

  const { body: restart } = await call('PUT', path, { body: { memory_max: '1GB' } });
  assert.deepEqual(restart.restart_needed, ['strata.memory_max']);
  await until('the mark', async () => (await setting('memory_max')).pending_restart);

  await call('PUT', path, { body: { auto_populate: null, memory: '256MB', memory_max: null } });
  await until('the limit', async () => (await get('/api/v1/inmemory/stats')).body.limit_bytes === 256 * 1024 * 1024);
  await call('PUT', path, { body: { auto_populate: false } });
  await until('the setting', async () => (await inServer('auto_populate')) === 'off');
});

test('SIMD features agree with SQL', async () => {
  const [sql] = await pg.rows('SELECT * FROM strata.simd_features()');
  assert.deepEqual((await get('/api/v1/simd/features')).body, sql);
});

test('events: all, since, by topic, by type, limited', async () => {
  await populateAndWait({ table: 'sales', force: true });
  const { body: all } = await get('/api/v1/events?since=0&limit=1000');
  assert.ok(all.events.length > 3);
  const seqs = all.events.map((e) => e.seq);
  assert.deepEqual(seqs, [...seqs].sort((a, b) => a - b));
  const middle = seqs[Math.floor(seqs.length / 2)];
  const { body: later } = await get(`/api/v1/events?since=${middle}&limit=1000`);
  assert.deepEqual(later.events.slice(0, 5).map((e) => e.seq), seqs.filter((s) => s > middle).slice(0, 5));
  const { body: typed } = await get('/api/v1/events?since=0&event_type=population_completed');
  assert.ok(typed.events.length >= 1 && typed.events.every((e) => e.event_type === 'population_completed'));
  const { body: topic } = await get('/api/v1/events?since=0&topic=inmemory&limit=2');
  assert.equal(topic.events.length, 2);
  const fromSql = await pg.rows('SELECT seq, event_type, database FROM strata.events(0, NULL, 5)');
  for (const row of fromSql) assert.ok(all.events.some((e) => e.seq === row.seq && e.event_type === row.event_type && e.database === (row.database ?? '')), JSON.stringify(row));
  for (const query of ['since=-1', 'since=x', 'since=1.5', 'topic=weather', 'event_type=rain', 'limit=0', 'limit=1001', 'colour=red']) await get(`/api/v1/events?${query}`, { status: 400 });
});

test('capabilities, health, readiness, nodes, metrics, documents', async () => {
  const { body: capabilities } = await get('/api/v1/capabilities');
  assert.equal(capabilities.mutations, true);
  assert.match(capabilities.version, /^\d/);
  await get('/healthz');
  const { body: ready } = await get('/readyz');
  assert.equal(ready.postgres.state, 'up');
  assert.equal(ready.ring.state, 'up');
  await get('/metrics');
  const { body: nodes } = await get('/api/v1/nodes');
  assert.deepEqual(nodes.nodes.map((n) => [n.name, n.state, n.ring.state]), [['main', 'up', 'up']]);
  assert.equal(nodes.nodes[0].server_version, Number(await pg.sql('SHOW server_version_num')));
  await get('/openapi.json');
});

test('the dashboard and its files are served with their types, and with what keeps them safe', async () => {
  const page = await stratad.get('/', { token: null });
  assert.equal(page.status, 200);
  assert.match(page.headers['content-type'], /^text\/html/);
  for (const [, file] of page.text.matchAll(/(?:src|href)="([a-zA-Z][\w.-]*\.(?:js|css|svg))"/g)) {
    const answer = await stratad.get(`/${file}`, { token: null });
    assert.equal(answer.status, 200, file);
    assert.match(answer.headers['content-type'], { js: /^text\/javascript/, css: /^text\/css/, svg: /^image\/svg\+xml/ }[file.split('.').pop()], file);
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
  }
  const policy = page.headers['content-security-policy'];
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:"]) assert.ok(policy.includes(part), policy);
  assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  assert.doesNotMatch(page.text, /https?:\/\/|<script>| style="| on\w+="/);
});

test('the description is a valid document, and every operation in it was answered and held against it', async () => {
  const { document } = description;
  assert.match(document.openapi, /^3\.1\./);
  const ids = new Set();
  for (const { path, method, operation } of description.operations()) {
    const where = `${method} ${path}`;
    assert.ok(operation.operationId && !ids.has(operation.operationId), `${where}: operationId`);
    ids.add(operation.operationId);
    assert.ok(operation.summary || operation.description, `${where}: no text`);
    for (const name of path.matchAll(/\{([^}]+)\}/g)) {
      const all = [...(operation.parameters ?? []), ...(document.paths[path].parameters ?? [])].map((p) => description.resolve(p));
      assert.ok(all.some((p) => p.in === 'path' && p.name === name[1] && p.required), `${where}: parameter ${name[1]}`);
    }
    if (path.startsWith('/api/')) assert.ok(operation.responses['401'], `${where}: 401 is not described`);
  }
  const good = [...description.answered].filter((a) => /\s2\d\d$/.test(a)).map((a) => a.replace(/ 2\d\d$/, ''));
  const missing = description.operations().map(({ path, method }) => `${method} ${path}`).filter((o) => !good.includes(o));
  // A job that can be cancelled is caught in the act in real_events.test.js, memory and the page pool have memory.test.js;
  // the rest must have been here.
  assert.deepEqual(missing.filter((o) => o !== 'DELETE /api/v1/jobs/{id}' && !/ \/api\/v1\/(memory|buffer)\//.test(o)), []);
});

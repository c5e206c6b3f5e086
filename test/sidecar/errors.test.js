// What goes wrong has a status, a code, a request id, and is as described.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { request } from './lib/http.js';
import { Description } from './lib/openapi.js';
import { Postgres } from './lib/postgres.js';
import { Stratad } from './lib/stratad.js';
import { until } from './lib/wait.js';

let pg;
let stratad;
let readonly;
let limited;
let poor;
let description;

before(async () => {
  pg = await Postgres.create();
  await pg.table('sales', 1000);
  await pg.sql(`
    CREATE VIEW a_view AS SELECT * FROM sales;
    CREATE MATERIALIZED VIEW a_matview AS SELECT * FROM sales;
    CREATE UNLOGGED TABLE an_unlogged (id int);
    CREATE FOREIGN DATA WRAPPER nowhere;
    CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
    CREATE FOREIGN TABLE a_foreign (id int) SERVER nowhere;
    CREATE SEQUENCE a_sequence;
    CREATE INDEX an_index ON sales (id);
    CREATE TYPE a_type AS (id int);
    CREATE ROLE poor LOGIN;
    GRANT pg_monitor TO poor;
    CREATE TABLE secret (id int)`);
  stratad = await Stratad.start({ pg });
  readonly = await Stratad.start({ pg, mutations: false });
  limited = await Stratad.start({ pg, flags: ['--rate-limit', '5'] });
  poor = await Stratad.start({ pg, node: pg.conninfo({ user: 'poor' }) });
  description = new Description((await stratad.get('/openapi.json')).body);
});

after(async () => {
  await Promise.all([stratad, readonly, limited, poor].map((s) => s.stop()));
  await pg.drop();
});

/** The answer must be a problem document of that status, as described; returns it. */
function problem(answer, status, { method, path } = {}) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers['content-type'], 'application/problem+json');
  const { body } = answer;
  assert.equal(body.status, status);
  assert.equal(typeof body.title, 'string');
  assert.match(body.code, /^[a-z_]+$/);
  assert.equal(body.request_id, answer.headers['x-request-id']);
  if (method && description.find(method, path)) description.check(method, path, answer);
  return body;
}

const paths = () => description.operations().filter(({ path }) => path.startsWith('/api/')).map(({ method, path }) => ({ method, path: path.replace(/\{[^}]+\}/g, '1') }));

test('401 without a token, with a wrong one, and with another scheme, on every path below /api', async () => {
  for (const { method, path } of paths()) {
    const answer = await stratad.request(method, path, { token: null, body: method === 'GET' ? undefined : {} });
    problem(answer, 401, { method, path });
    assert.match(answer.headers['www-authenticate'], /^Bearer/);
  }
  for (const value of ['Bearer', 'Bearer ', `Basic ${stratad.token}`, stratad.token, `Bearer ${stratad.token}x`, `Bearer ${stratad.token.slice(1)}`, `Bearer  ${stratad.token} ${stratad.token}`]) {
    problem(await stratad.get('/api/v1/capabilities', { headers: { Authorization: value } }), 401);
  }
  problem(await stratad.get(`/api/v1/capabilities?token=${stratad.token}`, { token: null }), 401);
});

test('403 for every change while mutations are off', async () => {
  // A simulation is asked for by POST because of its size, and changes nothing.
  for (const { method, path } of paths().filter((p) => p.method !== 'GET' && p.path !== '/api/v1/buffer/simulate')) {
    const body = problem(await readonly.request(method, path, { body: {} }), 403, { method, path });
    assert.equal(body.code, 'mutations_disabled');
  }
  assert.equal((await readonly.get('/api/v1/capabilities')).body.mutations, false);
  assert.equal((await readonly.get('/api/v1/inmemory/status')).status, 200);
});

test('404 for what is not there', async () => {
  for (const path of ['/nothing', '/api/v1/nothing', '/api/v2/inmemory/status', '/api/v1/inmemory/tables/no_such_table/status', '/api/v1/inmemory/tables/no_schema.sales/segments', '/api/v1/jobs/424242']) {
    problem(await stratad.get(path), 404, { method: 'GET', path });
  }
  for (const path of ['/api/v1/inmemory/enable', '/api/v1/inmemory/populate', '/api/v1/inmemory/evict', '/api/v1/inmemory/compact']) {
    problem(await stratad.post(path, { table: 'no_such_table' }), 404, { method: 'POST', path });
  }
  const disable = '/api/v1/inmemory/disable?table=no_such_table';
  problem(await stratad.request('POST', disable), 404, { method: 'POST', path: disable });
});

test('405 with Allow for every path and every method that it does not have', async () => {
  const byPath = description.operations().reduce((map, o) => map.set(o.path, [...(map.get(o.path) ?? []), o]), new Map());
  for (const [path, operations] of byPath) {
    const has = operations.map((o) => o.method);
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      if (has.includes(method)) continue;
      const answer = await stratad.request(method, path.replace(/\{[^}]+\}/g, '1'), { body: method === 'GET' ? undefined : {} });
      problem(answer, 405);
      const allow = answer.headers.allow.split(',').map((s) => s.trim());
      for (const one of has) assert.ok(allow.includes(one), `${method} ${path}: Allow is ${answer.headers.allow}`);
      assert.equal(allow.includes(method), false);
    }
  }
});

test('413 for a body that is too large, at once', async () => {
  const begun = Date.now();
  const answer = await stratad.request('POST', '/api/v1/inmemory/populate', { headers: { 'Content-Length': '2000000000', 'Content-Type': 'application/json' }, body: '{' }).catch((error) => error);
  assert.ok(Date.now() - begun < 5000);
  problem(answer, 413, { method: 'POST', path: '/api/v1/inmemory/populate' });
  const just = await stratad.post('/api/v1/inmemory/populate', JSON.stringify({ table: 'x'.repeat(1024 * 1024) }));
  problem(just, 413);
});

test('415 for a body of another type', async () => {
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonx', 'text/json', 'application/json-patch+json', null]) {
    const answer = await stratad.post('/api/v1/inmemory/populate', '{"table":"sales"}', { headers: { 'Content-Type': type } });
    problem(answer, 415, { method: 'POST', path: '/api/v1/inmemory/populate' });
  }
  for (const type of ['application/json', 'application/json; charset=utf-8', 'Application/JSON']) {
    const answer = await stratad.post('/api/v1/inmemory/evict', '{"table":"sales"}', { headers: { 'Content-Type': type } });
    assert.notEqual(answer.status, 415, type);
  }
});

test('400 for a body that is not the JSON that was asked for', async () => {
  const path = '/api/v1/inmemory/enable';
  for (const text of ['', '{', '{}', '[]', 'null', '7', '"sales"', '{"table":7}', '{"table":null}', '{"table":""}', '{"table":"sales"} x', '{"table":"sales"}{"table":"sales"}', "{'table':'sales'}", '{"table":"sales",}',
    '{"table":"sales","colour":"red"}', '{"table":"sales","columns":"id"}', '{"table":"sales","columns":[1]}', '{"table":"sales","columns":[]}', '{"table":"sales","priority":"huge"}', '{"table":"sales","compression":"zip"}', '{"table":"sales","priority":NaN}',
    `${'['.repeat(100000)}`, `{"table":${'{"a":'.repeat(500)}1${'}'.repeat(500)}}`, '{"table":"sales\\u0000"}', Buffer.from([0x7b, 0x22, 0x74, 0x61, 0x62, 0x6c, 0x65, 0x22, 0x3a, 0x22, 0xff, 0xfe, 0x22, 0x7d]), '\ufeff{"table":"sales"}']) {
    problem(await stratad.post(path, text), 400, { method: 'POST', path });
  }
  assert.equal(await pg.value('SELECT count(*) FROM strata.column_tables'), 0);
});

test('400 for parameters that are not there, twice or without sense', async () => {
  for (const [method, path] of [
    ['GET', '/api/v1/capabilities?x=1'], ['GET', '/api/v1/inmemory/stats?limit=5'], ['POST', '/api/v1/inmemory/disable'], ['POST', '/api/v1/inmemory/disable?table='], ['POST', '/api/v1/inmemory/disable?table=sales&table=sales'],
    ['POST', '/api/v1/inmemory/disable?name=sales'], ['POST', '/api/v1/inmemory/populate?table=sales'], ['GET', '/api/v1/events?since='], ['GET', '/api/v1/events?=5'],
  ]) problem(await stratad.request(method, path, method === 'POST' && path.includes('populate') ? { body: { table: 'sales' } } : {}), 400, { method, path });
  for (const body of [{ threshold_percent: -1 }, { threshold_percent: 101 }, { threshold_percent: '5' }, { table: 'sales', colour: 1 }]) problem(await stratad.post('/api/v1/inmemory/evict', body), 400, { method: 'POST', path: '/api/v1/inmemory/evict' });
  for (const body of [{ table: 'sales', force: 'yes' }, { table: 'sales', strategy: 'fast' }, { table: 'sales', wait: 1 }]) problem(await stratad.post('/api/v1/inmemory/populate', body), 400, { method: 'POST', path: '/api/v1/inmemory/populate' });
});

test('429 with Retry-After when a token asks too often, and not for others', async () => {
  const answers = await Promise.all(Array.from({ length: 40 }, () => limited.get('/api/v1/capabilities')));
  const refused = answers.filter((a) => a.status === 429);
  assert.ok(refused.length >= 20, `${refused.length} were refused`);
  assert.ok(answers.filter((a) => a.status === 200).length >= 5);
  for (const answer of refused) {
    problem(answer, 429, { method: 'GET', path: '/api/v1/capabilities' });
    assert.ok(Number(answer.headers['retry-after']) >= 1);
  }
  assert.equal((await limited.get('/healthz')).status, 200);
  await until('the bucket to fill', async () => (await limited.get('/api/v1/capabilities')).status === 200);
});

test('429 for who guesses tokens, while the right token is served', async () => {
  const guess = () => request(poor.port, 'GET', '/api/v1/capabilities', { token: 'e'.repeat(48) });
  const statuses = (await Promise.all(Array.from({ length: 100 }, guess))).map((a) => a.status);
  assert.ok(statuses.includes(429));
  assert.ok(statuses.every((s) => s === 401 || s === 429));
  assert.equal((await poor.get('/api/v1/capabilities')).status, 200);
});

/* ---- tables that cannot be put into the column store: SQLSTATE and HTTP status ---- */

const wrong = [
  ['a table that does not exist', 'no_such_table', '42P01', 404],
  ['a view', 'a_view', '42809', 400],
  ['a foreign table', 'a_foreign', '42809', 400],
  ['an unlogged table', 'an_unlogged', '0A000', 400],
  ['a catalog', 'pg_catalog.pg_class', null, 400],
  ['a sequence', 'a_sequence', null, 404],
  ['an index', 'an_index', null, 404],
  ['a composite type', 'a_type', null, 404],
];

for (const [name, table, sqlstate, status] of wrong) {
  test(`${name}: the same refusal by SQL and by HTTP`, async () => {
    const path = '/api/v1/inmemory/enable';
    const answer = await stratad.post(path, { table });
    const body = problem(answer, status, { method: 'POST', path });
    const fromSql = (await pg.sql(`\\set VERBOSITY sqlstate\nDO $$ BEGIN PERFORM strata.enable('${table}'); RAISE EXCEPTION 'accepted'; EXCEPTION WHEN OTHERS THEN RAISE WARNING '%', SQLSTATE; PERFORM set_config('test.state', SQLSTATE, false); END $$;\nSELECT current_setting('test.state')`)).split('\n').at(-1);
    assert.match(fromSql, /^[0-9A-Z]{5}$/);
    assert.notEqual(fromSql, 'P0001', 'SQL accepted it');
    assert.equal(body.sqlstate ?? fromSql, fromSql);
    if (sqlstate) assert.equal(fromSql, sqlstate);
    assert.equal(await pg.value('SELECT count(*) FROM strata.column_tables'), 0);
  });
}

test('a temporary table of another session is refused', async () => {
  const session = pg.session();
  session.send("CREATE TEMP TABLE a_temp (id int); SELECT 'schema ' || nspname FROM pg_namespace WHERE oid = pg_my_temp_schema();\n");
  const schema = await until('its schema', () => /schema (\S+)/.exec(session.stdout)?.[1]);
  const path = '/api/v1/inmemory/enable';
  problem(await stratad.post(path, { table: `${schema}.a_temp` }), 400, { method: 'POST', path });
  session.child.stdin.end();
  await session.exited;
});

test('a column that does not exist is 400 with the SQLSTATE of PostgreSQL', async () => {
  const path = '/api/v1/inmemory/enable';
  for (const column of ['no_such_column', 'ctid', 'ID', '']) {
    const body = problem(await stratad.post(path, { table: 'sales', columns: ['id', column] }), 400, { method: 'POST', path });
    if (column) assert.equal(body.sqlstate, column === 'ctid' ? '0A000' : '42703', column);
  }
});

test('without the privilege it is 403 with 42501', async () => {
  const path = '/api/v1/inmemory/enable';
  const body = problem(await poor.post(path, { table: 'secret' }), 403, { method: 'POST', path });
  assert.equal(body.sqlstate, '42501');
  assert.equal(body.code, 'permission_denied');
  await pg.sql("SELECT strata.enable('secret')");
  for (const [target, sent] of [['populate', { table: 'secret' }], ['evict', { table: 'secret' }], ['compact', { table: 'secret' }]]) {
    const p = `/api/v1/inmemory/${target}`;
    problem(await poor.post(p, sent), 403, { method: 'POST', path: p });
  }
  problem(await poor.request('POST', '/api/v1/inmemory/disable?table=secret'), 403);
  problem(await poor.request('PUT', '/api/v1/inmemory/config', { body: { auto_populate: true } }), 403, { method: 'PUT', path: '/api/v1/inmemory/config' });
  await pg.sql("SELECT strata.disable('secret')");
});

test('no message shows SQL text, a path of the server or the token', async () => {
  const answers = [
    await stratad.get('/api/v1/inmemory/tables/no_such_table/status'),
    await stratad.post('/api/v1/inmemory/enable', { table: 'a_view' }),
    await stratad.post('/api/v1/inmemory/enable', '{'),
    await stratad.get('/api/v1/capabilities', { token: 'd'.repeat(48) }),
  ];
  for (const { text } of answers) assert.doesNotMatch(text, /SELECT|FROM |\/tmp\/|\/usr\/|\.c:\d|dddd/);
});

test('503 when the extension is not there', async () => {
  await pg.sql('CREATE DATABASE bare', { database: 'postgres' });
  const s = await Stratad.start({ node: pg.conninfo({ database: 'bare' }), ready: false });
  const path = '/api/v1/inmemory/stats';
  const answer = await until('the reason', async () => {
    const a = await s.get(path);
    return a.body?.code === 'extension_missing' && a;
  });
  problem(answer, 503, { method: 'GET', path });
  const ready = await s.get('/readyz');
  assert.equal(ready.status, 503);
  await s.stop();
});

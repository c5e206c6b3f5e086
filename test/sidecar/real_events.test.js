// Events of real work, followed by WebSocket, REST, SQL and strata-tail at the same time.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Postgres } from './lib/postgres.js';
import { Child, run } from './lib/process.js';
import { STRATA_TAIL, Stratad } from './lib/stratad.js';
import { until } from './lib/wait.js';
import { Client } from './lib/websocket.js';

let pg;
let stratad;
let ringPath;

before(async () => {
  pg = await Postgres.create();
  await pg.table('sales', 200000);
  stratad = await Stratad.start({ pg });
  ringPath = await pg.value('SELECT path FROM strata.ring_status()');
});

after(async () => {
  await stratad.stop();
  await pg.drop();
});

const last = async () => Number(await pg.value('SELECT last_seq FROM strata.ring_status()'));

test('populating: started, compression, progress, completed, in that order and with the fields of the table', async () => {
  const client = await Client.subscribed(stratad, { topics: ['inmemory'], filter: { table_name: 'public.sales' } });
  await pg.sql("SELECT strata.enable('sales')");
  const { body } = await stratad.post('/api/v1/inmemory/populate', { table: 'sales' });
  assert.ok(body.job_id > 0);
  const done = await client.wait('population_completed', undefined, 60000);
  const types = client.events.map((e) => e.event_type);
  assert.equal(types[0], 'population_started');
  for (const type of ['population_progress', 'compression_started', 'compression_completed']) assert.ok(types.includes(type), `${type} in ${[...new Set(types)]}`);
  assert.equal(done.rows_populated, 200000);
  assert.equal(done.database, 'shop');
  assert.equal(done.error, undefined);
  assert.ok(done.duration_ms > 0 && done.memory_used_bytes > 0 && done.compression_ratio > 1);
  const known = Object.fromEntries((await pg.rows('SELECT name, fields FROM strata.event_types')).map((row) => [row.name, row.fields]));
  for (const { event_type: type, seq, timestamp, pid, database, topic, ...fields } of client.events) {
    assert.ok(Number.isInteger(seq) && pid > 0 && timestamp && database);
    for (const name of known[type].filter((field) => !field.endsWith('?'))) assert.notEqual(fields[name], undefined, `${type} lacks ${name}`);
    for (const name of Object.keys(fields)) assert.ok(known[type].map((field) => field.replace('?', '')).includes(name), `${type} has ${name}`);
  }
  const [row] = await pg.rows("SELECT rows_in_columns, bytes FROM strata.column_tables WHERE table_name = 'sales'");
  assert.equal(row.rows_in_columns, done.rows_populated);
  client.end();
});

test('queries: filter, aggregate and scan end with an event that counts what they did', async () => {
  const client = await Client.subscribed(stratad, { topics: ['simd'] });
  await pg.sql('SELECT count(*), sum(amount) FROM sales WHERE id <= 20000');
  const aggregate = await client.wait('simd_aggregate');
  assert.equal(aggregate.table_name, 'public.sales');
  assert.ok(aggregate.rows_processed > 0 && aggregate.duration_us >= 0);
  await pg.sql('SELECT kind FROM sales WHERE id = 77');
  const filter = await client.wait('simd_filter', (e) => e.rows_selected === 1);
  assert.ok(filter.selectivity < 0.01);
  assert.ok([0, 256, 512].includes(filter.vector_width));
  client.end();
});

test('evicting says how much and why', async () => {
  const client = await Client.subscribed(stratad, { event_types: ['table_evicted'] });
  const { body } = await stratad.post('/api/v1/inmemory/evict', { table: 'sales' });
  const event = await client.wait('table_evicted');
  assert.equal(event.memory_freed_bytes, body.freed_bytes);
  assert.equal(event.reason, 'manual');
  assert.equal(event.table_name, 'public.sales');
  client.end();
});

test('WebSocket, REST, SQL and strata-tail tell the same', async () => {
  const since = await last();
  const client = await Client.subscribed(stratad, { since });
  const tail = new Child(STRATA_TAIL, ['--ring', ringPath, '--since', String(since)]);
  await pg.sql("SELECT strata.populate('sales', force => true); SELECT sum(amount) FROM sales; SELECT strata.evict('sales')");
  const to = await last();
  await until('the last event', () => client.events.at(-1)?.seq >= to);
  const lines = () => tail.stdout.slice(0, tail.stdout.lastIndexOf('\n') + 1).split('\n').filter(Boolean).map((line) => JSON.parse(line));
  await until('the last line', () => lines().at(-1)?.seq >= to);
  await tail.end();
  const upTo = (list) => list.filter((e) => e.seq <= to);
  const plain = ({ topic, ...event }) => event;
  assert.deepEqual(upTo(client.events).map(plain), upTo(lines()).map(plain));
  const { body } = await stratad.get(`/api/v1/events?since=${since}&limit=1000`);
  assert.deepEqual(upTo(body.events).map(plain), upTo(lines()).map(plain).slice(0, 1000));
  const sql = await pg.rows(`SELECT seq, topic, event_type, pid, database, fields FROM strata.events(${since}, NULL, 100000)`);
  for (const [i, event] of upTo(lines()).slice(0, 1000).entries()) {
    const { event_type, seq, timestamp, pid, database, topic, ...fields } = event;
    assert.equal(sql[i].seq, seq);
    assert.equal(sql[i].event_type, event_type);
    assert.equal(sql[i].pid, pid);
    assert.deepEqual(Object.keys(sql[i].fields).sort(), Object.keys(fields).sort());
    // jsonb keeps 15 digits of a double.
    for (const [key, value] of Object.entries(fields)) {
      if (Number.isInteger(value) || typeof value !== 'number') assert.deepEqual(sql[i].fields[key], value, key);
      else assert.ok(Math.abs(sql[i].fields[key] - value) <= Math.abs(value) * 1e-14, `${key}: ${sql[i].fields[key]} and ${value}`);
    }
  }
});

test('under real load a client sees every number once', async () => {
  await pg.sql("SELECT strata.populate('sales')");
  const since = await last();
  const client = await Client.subscribed(stratad, { since, batch: true });
  await Promise.all(Array.from({ length: 3 }, () => pg.sql('SELECT count(*) FROM sales WHERE id < 50;\n'.repeat(300))));
  const to = await last();
  assert.ok(to >= since + 900);
  await until('the last event', () => client.messages.some((m) => m.seq >= to || m.to_seq >= to));
  let next = since + 1;
  for (const m of client.messages) {
    if (m.event_type === 'gap') {
      assert.equal(m.from_seq, next);
      next = m.to_seq + 1;
    } else if (m.seq) {
      assert.equal(m.seq, next);
      next++;
    }
  }
  client.end();
});

test('a job can be cancelled', async () => {
  await pg.sql('CREATE TABLE wide AS SELECT i AS id, md5(i::text) AS a, md5((i + 1)::text) AS b, md5((i + 2)::text) AS c FROM generate_series(1, 1500000) i');
  await pg.sql('VACUUM (FREEZE, ANALYZE) wide');
  await pg.sql("SELECT strata.enable('wide')");
  const { body } = await stratad.post('/api/v1/inmemory/populate', { table: 'wide' });
  const answer = await stratad.request('DELETE', `/api/v1/jobs/${body.job_id}`);
  assert.ok([200, 202].includes(answer.status), answer.text);
  const job = await until('the end', async () => {
    const { body: now } = await stratad.get(`/api/v1/jobs/${body.job_id}`);
    return ['done', 'failed', 'cancelled'].includes(now.state) && now;
  }, 60000);
  assert.equal(job.state, 'cancelled');
  assert.equal(await pg.value('SELECT count(*) FROM wide'), 1500000);
});

test('strata-tail follows a restart of the server', async () => {
  const tail = new Child(STRATA_TAIL, ['--ring', ringPath, '--since', 'now']);
  await until('a start', async () => tail.running);
  await pg.sql('SELECT count(*) FROM sales');
  await until('a line', () => tail.stdout.includes('\n'));
  await pg.restart();
  await until('the reset', () => tail.stdout.includes('"stream_reset"'), 30000);
  await until('the start of the server', () => tail.stdout.includes('"server_started"'), 30000);
  const lines = tail.stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  const reset = lines.find((line) => line.event_type === 'stream_reset');
  assert.equal(reset.epoch, await pg.value('SELECT epoch FROM strata.ring_status()'));
  assert.deepEqual(await tail.end(), { code: 0, signal: null });
  const once = await run(STRATA_TAIL, ['--ring', ringPath, '--once', '--event-type', 'server_started']);
  assert.equal(once.code, 0);
  assert.equal(once.stdout.split('\n').filter(Boolean).length, 1);
});

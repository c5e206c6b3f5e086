// Nothing that happens to stratad may be felt by PostgreSQL, and nothing in the ring file may bring stratad down.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Postgres } from './lib/postgres.js';
import { temporaryDirectory, writeOwned } from './lib/process.js';
import { AT, Ring } from './lib/ring.js';
import { Stratad } from './lib/stratad.js';
import { until } from './lib/wait.js';
import { Client } from './lib/websocket.js';

const dir = temporaryDirectory('safe');
let pg;
const started = [];

before(async () => {
  pg = await Postgres.create();
  await pg.table('sales', 50000);
  await pg.populate('sales');
});

after(async () => {
  await Promise.all(started.map((s) => s.stop()));
  await pg.drop();
});

const start = async (options) => {
  const s = await Stratad.start(options);
  started.push(s);
  return s;
};

const lastSeq = async () => Number(await pg.value('SELECT last_seq FROM strata.ring_status()'));

const sessions = async () => (await pg.rows("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'stratad%'")).map((row) => row.pid);

/** Runs queries that publish events, one after the other, until told to stop; gives how many and the slowest. */
function load() {
  let stop = false;
  const result = { queries: 0, slowest: 0 };
  const done = (async () => {
    while (!stop) {
      const begun = Date.now();
      await pg.sql('SELECT sum(amount) FROM sales WHERE id % 2 = 0; UPDATE sales SET amount = amount WHERE id = 7');
      result.slowest = Math.max(result.slowest, Date.now() - begun);
      result.queries++;
    }
    return result;
  })();
  return { stop: () => { stop = true; return done; }, result };
}

test('the database does not notice that stratad is stopped', async () => {
  const s = await start({ pg });
  const client = await Client.subscribed(s, { topics: ['simd'] });
  s.child.signal('SIGSTOP');
  const before = await lastSeq();
  const work = load();
  // Enough to turn a small ring over: nobody waits for the reader that sleeps.
  await until('two hundred queries', () => work.result.queries >= 200, 120000);
  const { slowest } = await work.stop();
  assert.ok(slowest < 5000, `one query took ${slowest} ms`);
  assert.ok((await lastSeq()) >= before + 200, 'the ring went on');
  s.child.signal('SIGCONT');
  const now = await lastSeq();
  await until('stratad to catch up', () => client.messages.some((m) => m.seq >= now - 5 || m.to_seq >= now - 5), 30000);
  client.end();
});

test('the database does not notice that stratad is killed, and no connection of it stays', async () => {
  const others = await sessions();
  const s = await start({ pg });
  const mine = await until('its session', async () => {
    const pids = (await sessions()).filter((pid) => !others.includes(pid));
    return pids.length > 0 && pids;
  });
  const work = load();
  await until('some queries', () => work.result.queries >= 5);
  const { signal } = await s.child.end('SIGKILL');
  assert.equal(signal, 'SIGKILL');
  const at = work.result.queries;
  await until('more queries', () => work.result.queries >= at + 20, 60000);
  await work.stop();
  await until('its sessions to be gone', async () => (await sessions()).every((pid) => !mine.includes(pid)), 30000);
  // It comes back with the same token and goes on.
  await s.launch();
  await s.waitReady();
  assert.equal((await s.get('/api/v1/inmemory/stats')).status, 200);
});

test('a restart of the server is a stream_reset with the new epoch, and everything goes on', async () => {
  const s = await start({ pg });
  const client = await Client.subscribed(s, { since: 0 });
  const old = client.of('connected')[0].epoch;
  await pg.restart();
  const reset = await client.wait('stream_reset', undefined, 30000);
  assert.notEqual(reset.epoch, old);
  assert.equal(reset.epoch, await pg.value('SELECT epoch FROM strata.ring_status()'));
  await client.wait('server_started', (m) => m.epoch === undefined || m.epoch === reset.epoch);
  await s.waitReady();
  await pg.populate('sales');
  await client.wait('population_completed', undefined, 30000);
  client.end();
});

test('a crash of the server is a stream_reset as well', async () => {
  const s = await start({ pg });
  const client = await Client.subscribed(s, { since: 0 });
  const old = client.of('connected')[0].epoch;
  // A backend that dies makes the postmaster start shared memory anew.
  const backend = pg.session();
  backend.send('SELECT pg_backend_pid();\n');
  const pid = Number(await until('its pid', () => backend.stdout.trim()));
  process.kill(pid, 'SIGKILL');
  backend.child.stdin.end(); // psql notices with its next word to the server
  await backend.exited;
  const reset = await client.wait('stream_reset', undefined, 30000);
  assert.notEqual(reset.epoch, old);
  await until('the server to be back', async () => (await pg.sql('SELECT 1')) === '1', 30000);
  await s.waitReady();
  client.end();
});

test('while PostgreSQL is away: 503 with Retry-After where it is needed, answers where it is not, and recovery', async () => {
  const s = await start({ pg });
  await pg.stop();
  for (const path of ['/api/v1/inmemory/status', '/api/v1/inmemory/tables/public.sales/status']) {
    const answer = await until('a 503', async () => {
      const a = await s.get(path);
      return a.status === 503 && a;
    });
    assert.ok(Number(answer.headers['retry-after']) >= 1);
    assert.equal(answer.headers['content-type'], 'application/problem+json');
    assert.equal(typeof answer.body.code, 'string');
  }
  const populate = await s.post('/api/v1/inmemory/populate', { table: 'public.sales' });
  assert.equal(populate.status, 503);
  const ready = await s.get('/readyz');
  assert.equal(ready.status, 503);
  assert.equal(ready.body.postgres.state, 'down');
  for (const path of ['/healthz', '/metrics', '/openapi.json', '/', '/api/v1/capabilities']) assert.equal((await s.get(path)).status, 200, path);
  await pg.start();
  await s.waitReady();
  assert.equal((await s.get('/api/v1/inmemory/status')).status, 200);
  await pg.populate('sales');
});

test('a query that waits for a lock does not hold up other requests, and ends by its timeout', async () => {
  const s = await start({ pg, flags: ['--query-timeout', '3000'] });
  const holder = pg.session();
  holder.send("BEGIN; LOCK TABLE sales IN ACCESS EXCLUSIVE MODE; SELECT 'held';\n");
  await until('the lock', () => holder.stdout.includes('held'));
  const waiting = s.post('/api/v1/inmemory/populate', { table: 'public.sales', force: true });
  for (let i = 0; i < 20; i++) {
    const begun = Date.now();
    assert.equal((await s.get('/api/v1/inmemory/stats')).status, 200);
    assert.equal((await s.get('/metrics')).status, 200);
    assert.ok(Date.now() - begun < 2000);
  }
  const answer = await waiting;
  // Either it was queued without the lock, or it gave up in time.
  assert.ok([202, 504].includes(answer.status), `${answer.status} ${answer.text}`);
  holder.send('ROLLBACK;\n');
  holder.child.stdin.end();
  await holder.exited;
});

/* ---- a ring that nobody should trust ---- */

const hostile = (name, content) => writeOwned(path.join(dir, name), content, 0o640);

async function survives(s) {
  assert.equal((await s.get('/healthz')).status, 200);
  assert.equal((await s.get('/metrics')).status, 200);
  await s.get('/api/v1/events?since=0');
  await s.get('/readyz');
  assert.ok(s.child.running, s.log);
}

test('a ring of random bytes, of no bytes, of zeros, too short, a directory, nothing', async () => {
  const good = new Ring(path.join(dir, 'model'));
  const header = fs.readFileSync(good.file).subarray(0, 384);
  good.close();
  const files = [
    hostile('random', crypto.randomBytes(1 << 20)),
    hostile('empty', ''),
    hostile('zeros', Buffer.alloc(1 << 20)),
    hostile('short', header.subarray(0, 200)),
    hostile('header-only', header),
    hostile('header-and-noise', Buffer.concat([header, crypto.randomBytes(100000)])),
    dir,
    path.join(dir, 'nothing'),
    '/dev/zero',
  ];
  for (const ring of files) {
    const s = await Stratad.start({ node: pg.conninfo(), ring });
    await survives(s);
    // Behind a good header noise is a ring like any other, until its heart is seen not to beat.
    if (!ring.endsWith('header-and-noise')) {
      const ready = await s.get('/readyz');
      assert.equal(ready.status, 503, ring);
      assert.notEqual(ready.body.ring.state, 'up', ring);
    }
    // PostgreSQL is there all the same.
    await until('PostgreSQL through stratad', async () => (await s.get('/api/v1/inmemory/status')).status === 200);
    await s.stop();
  }
});

test('a good ring that is damaged, truncated, replaced and grown while it is read', async () => {
  const file = path.join(dir, 'live');
  let ring = new Ring(file);
  const s = await start({ node: pg.conninfo(), ring: file });
  await until('the ring', async () => (await s.get('/readyz')).body.ring.state === 'up');
  const client = await Client.subscribed(s, { since: 0, batch: true });
  const size = fs.fstatSync(ring.fd).size;
  for (let round = 0; round < 30; round++) {
    for (let i = 0; i < 20; i++) ring.publish('population_progress', { table_name: 'public.t', rows_populated: i });
    for (let i = 0; i < 50; i++) ring.poke(crypto.randomInt(AT.claim, size - 8), crypto.randomBytes(8));
    await survives(s);
  }
  ring.truncate(1000);
  await survives(s);
  ring.truncate(0);
  await survives(s);
  ring.truncate(size);
  await survives(s);
  ring.abandon();
  writeOwned(file, crypto.randomBytes(50000), 0o640);
  await survives(s);
  fs.rmSync(file);
  await survives(s);
  // After all that a good ring is taken up again.
  ring = new Ring(file);
  await until('the new ring', async () => (await s.get('/readyz')).body.ring.state === 'up', 20000);
  const seq = ring.publish('table_evicted', { table_name: 'public.t' });
  const fresh = await Client.subscribed(s, { since: 0 });
  await fresh.wait('table_evicted', (m) => m.seq === seq);
  assert.ok(client.socket.readyState === 1 || client.close.code !== 1006, JSON.stringify(client.close));
  client.end();
  fresh.end();
  ring.close();
});

test('claims that jump forward and back', async () => {
  const ring = new Ring(path.join(dir, 'claims'));
  const s = await start({ node: pg.conninfo(), ring: ring.file });
  await until('the ring', async () => (await s.get('/readyz')).body.ring.state === 'up');
  const client = await Client.subscribed(s, { since: 0 });
  for (const claim of [0n, (1n << 64n) - 1n, (1n << 48n) - 1n, 1n << 63n, 5n, 0xffff000000000001n]) {
    ring.poke(AT.claim, claim);
    await survives(s);
    ring.beat();
  }
  client.end();
  ring.close();
});

test('a server that dies without a word is said to be away', async () => {
  const ring = new Ring(path.join(dir, 'dead'));
  const s = await start({ node: pg.conninfo(), ring: ring.file });
  await until('ring and server', async () => (await s.get('/readyz')).status === 200);
  ring.poke(AT.pid, 0x7ffffff0); // nobody has this pid
  ring.abandon();
  const ready = await until('the notice', async () => {
    const answer = await s.get('/readyz');
    return answer.status === 503 && answer;
  }, 30000);
  assert.notEqual(ready.body.ring.state, 'up');
  assert.equal(ready.body.postgres.state, 'up');
});

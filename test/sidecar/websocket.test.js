// The event stream: authentication, subscriptions, replay, gaps, close codes, slow clients, frames.
// The ring is the test's own (lib/ring.js), so that every number is known; real events are in real_events.test.js.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { RawSocket } from './lib/http.js';
import { temporaryDirectory } from './lib/process.js';
import { Ring } from './lib/ring.js';
import { Stratad } from './lib/stratad.js';
import { pace, until } from './lib/wait.js';
import { Client } from './lib/websocket.js';

const dir = temporaryDirectory('ws');
const clients = [];
const others = [];
let ring;
let stratad;
let made = 0;

const nowhere = `host=${dir} dbname=none`;

before(async () => {
  ring = new Ring(path.join(dir, 'ring'), { slots: 1024 });
  stratad = await Stratad.start({ node: nowhere, ring: ring.file });
  await ringSeen(stratad);
});

after(async () => {
  clients.forEach((client) => client.end());
  await Promise.all([stratad, ...others].map((s) => s.stop()));
  ring.close();
});

const ringSeen = (s) => until('stratad to read the ring', async () => (await s.get('/readyz')).body?.ring?.state === 'up');

/** A stratad and a ring of its own, for tests that do violence to them. */
async function pair(options = {}, flags = []) {
  const own = new Ring(path.join(dir, `ring${made++}`), options);
  const s = await Stratad.start({ node: nowhere, ring: own.file, flags });
  others.push(s);
  await ringSeen(s);
  return { ring: own, stratad: s };
}

const open = (options, s = stratad) => {
  const client = Client.open(s, options);
  clients.push(client);
  return client;
};

const subscribed = async (subscription, options, s = stratad) => {
  const client = await Client.subscribed(s, subscription, options);
  clients.push(client);
  return client;
};

const scan = (n = 0) => ring.publish('simd_scan', { rows_processed: n, table_name: 'public.t' });

/** Events and gaps must name every number from `from` to `to` once and in order. */
function assertWhole(client, from, to) {
  let next = from;
  for (const m of client.messages) {
    if (m.event_type === 'gap') {
      assert.equal(m.from_seq, next, `gap ${JSON.stringify(m)} where ${next} was expected`);
      assert.equal(m.lost, m.to_seq - m.from_seq + 1);
      next = m.to_seq + 1;
    } else if (Number.isInteger(m.seq)) {
      assert.equal(m.seq, next, `event ${m.seq} where ${next} was expected`);
      next++;
    }
  }
  assert.equal(next, to + 1, `ended before ${next}, expected to end after ${to}`);
}

const reached = (client, seq) => until(`event ${seq}`, () => {
  if (client.close) throw new Error(`closed: ${JSON.stringify(client.close)}`);
  return client.messages.some((m) => m.seq >= seq || m.to_seq >= seq);
}, 30000);

/* ---- authentication ---- */

test('the token is taken from the header, from the first message, and from the subprotocol', async () => {
  for (const how of ['header', 'message', 'protocol']) {
    const client = await subscribed({ topics: ['simd'] }, { how });
    const seq = scan();
    await reached(client, seq);
    client.end();
  }
});

test('a wrong token is refused: 401 before the upgrade, close 4401 after it', async () => {
  const wrong = 'f'.repeat(48);
  for (const how of ['header', 'protocol']) {
    const client = open({ how, token: wrong });
    await until('a refusal', () => client.refused);
    assert.equal(client.refused, 401, how);
  }
  const late = open({ how: 'message', token: wrong });
  assert.equal((await late.waitClose()).code, 4401);
  assert.deepEqual(late.events, []);
});

test('who says nothing, or anything but auth first, is closed with 4401', async () => {
  const silent = open({ how: 'none' });
  const eager = open({ how: 'none' });
  await until('the connection', () => eager.opened);
  eager.send({ action: 'subscribe', id: 'a', topics: ['simd'], since: 0 });
  assert.equal((await eager.waitClose()).code, 4401);
  assert.deepEqual(eager.events, []);
  assert.equal((await silent.waitClose()).code, 4401);
});

test('a token that is taken out of the file is closed with 4403 when stratad reads it again', async () => {
  const { stratad: s } = await pair();
  const text = fs.readFileSync(s.tokenFile, 'utf8');
  const second = crypto.randomBytes(24).toString('hex');
  const salt = crypto.randomBytes(text.trim().split(/\s+/).at(-2).length / 2);
  const hash = crypto.createHash('sha256').update(Buffer.concat([salt, Buffer.from(second)])).digest('hex');
  fs.appendFileSync(s.tokenFile, `second admin ${salt.toString('hex')} ${hash}\n`);
  s.child.signal('SIGHUP');
  await until('the second token', async () => (await s.get('/api/v1/capabilities', { token: second })).status === 200);
  const kept = await subscribed({}, {}, s);
  const client = await subscribed({}, { token: second }, s);
  fs.writeFileSync(s.tokenFile, text);
  s.child.signal('SIGHUP');
  assert.equal((await client.waitClose()).code, 4403);
  assert.equal((await s.get('/api/v1/capabilities', { token: second })).status, 401);
  assert.equal((await s.get('/api/v1/capabilities')).status, 200);
  assert.equal(kept.close, null);
  // A file that is wrong changes nothing.
  fs.writeFileSync(s.tokenFile, 'rubbish\n');
  s.child.signal('SIGHUP');
  await until('the complaint', () => /token/.test(s.child.stderr.split('\n').slice(-3).join(' ')));
  assert.equal((await s.get('/api/v1/capabilities')).status, 200);
});

test('a token in the address is not accepted', async () => {
  const client = open({ how: 'none', path: `/api/v1/ws?token=${stratad.token}` });
  await until('an end', () => client.refused || client.close);
  if (client.close) assert.equal(client.close.code, 4401);
  else assert.ok([400, 401].includes(client.refused), String(client.refused));
});

/* ---- subscriptions ---- */

test('connected says the epoch of the ring and how far it is', async () => {
  const reader = await subscribed({ topics: ['simd'] });
  const seq = scan();
  await reached(reader, seq);
  const client = open();
  const hello = await client.wait('connected');
  assert.equal(hello.epoch, ring.epochText);
  assert.equal(hello.last_seq, seq);
  [reader, client].forEach((c) => c.end());
});

test('events come in order, flat, and complete', async () => {
  const client = await subscribed({ topics: ['simd'] });
  const first = ring.publish('simd_filter', { operation_type: 'filter', rows_processed: 10, selectivity: 0.5, table_name: 'public.t' }, { database: 'shop', pid: 99 });
  for (let i = 0; i < 20; i++) scan(i);
  await reached(client, first + 20);
  assert.deepEqual(client.events.map((e) => e.seq), Array.from({ length: 21 }, (_, i) => first + i));
  const { timestamp, ...event } = client.events[0];
  assert.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  assert.deepEqual(event, { event_type: 'simd_filter', seq: first, pid: 99, database: 'shop', operation_type: 'filter', rows_processed: 10, selectivity: 0.5, table_name: 'public.t' });
  assert.equal(client.binary, undefined);
  client.end();
});

test('topics, event types and table choose', async () => {
  const byTopic = await subscribed({ topics: ['inmemory'] });
  const byType = await subscribed({ event_types: ['table_evicted'] });
  const byTable = await subscribed({ filter: { table_name: 'public.b' } });
  const both = await subscribed({ topics: ['inmemory'], filter: { table_name: 'public.a' } });
  const everything = await subscribed({});
  const a = ring.publish('population_started', { table_name: 'public.a' });
  const s = ring.publish('simd_scan', { table_name: 'public.b' });
  const e = ring.publish('table_evicted', { table_name: 'public.b' });
  const end = ring.publish('population_completed', { table_name: 'public.a' });
  await reached(everything, end);
  await reached(byTopic, end);
  await reached(both, end);
  await reached(byTable, e);
  await reached(byType, e);
  const seqs = (client) => client.events.map((event) => event.seq);
  assert.deepEqual(seqs(everything), [a, s, e, end]);
  assert.deepEqual(seqs(byTopic), [a, e, end]);
  assert.deepEqual(seqs(both), [a, end]);
  assert.deepEqual(seqs(byTable), [s, e]);
  assert.deepEqual(seqs(byType), [e]);
  [byTopic, byType, byTable, both, everything].forEach((client) => client.end());
});

test('the endpoints of one topic carry that topic only', async () => {
  for (const [name, mine, foreign] of [['inmemory/events', 'population_progress', 'simd_scan'], ['simd/metrics', 'simd_scan', 'population_progress']]) {
    const client = await subscribed({}, { path: `/api/v1/ws/${name}` });
    ring.publish(foreign, { table_name: 'public.t' });
    const seq = ring.publish(mine, { table_name: 'public.t' });
    await reached(client, seq);
    assert.ok(client.events.every((event) => event.event_type === mine), JSON.stringify(client.events));
    client.end();
  }
});

test('an endpoint of one topic begins by itself', async () => {
  const client = open({ path: '/api/v1/ws/inmemory/events' });
  await client.wait('connected');
  scan();
  const seq = ring.publish('population_progress', { table_name: 'public.t' });
  await reached(client, seq);
  assert.deepEqual(client.events.map((event) => event.seq), [seq]);
  client.end();
});

test('with interval_ms events of a kind come together, the last for all of them', async () => {
  const client = await subscribed({ topics: ['simd'], interval_ms: 400 });
  for (let i = 0; i < 30; i++) scan(i);
  const last = ring.publish('simd_filter', { rows_processed: 5 });
  await reached(client, last);
  const scans = client.of('simd_scan');
  assert.ok(scans.length <= 2, `${scans.length} messages`);
  assert.equal(scans.reduce((sum, e) => sum + e.coalesced, 0), 30);
  assert.equal(scans.at(-1).rows_processed, 29);
  client.end();
});

test('unsubscribe ends it, and another subscription goes on', async () => {
  const client = await subscribed({ id: 'one', topics: ['simd'] });
  client.send({ action: 'subscribe', id: 'two', topics: ['inmemory'] });
  await client.wait('subscribed', (m) => m.id === 'two');
  client.send({ action: 'unsubscribe', id: 'one' });
  await client.wait('unsubscribed', (m) => m.id === 'one');
  scan();
  const seq = ring.publish('table_evicted', { table_name: 'public.t' });
  await reached(client, seq);
  assert.deepEqual(client.events.map((event) => event.event_type), ['table_evicted']);
  client.end();
});

test('ping is answered', async () => {
  const client = await subscribed({ topics: ['system'] });
  const before = client.messages.length;
  client.send({ action: 'ping' });
  await until('an answer', () => client.messages.length > before);
  assert.ok(['pong', 'heartbeat'].includes(client.messages.at(-1).event_type), JSON.stringify(client.messages.at(-1)));
  client.end();
});

test('with batch every message is an array, without it none is', async () => {
  const batch = await subscribed({ topics: ['simd'], batch: true });
  const single = await subscribed({ topics: ['simd'] });
  const skip = batch.frames.length;
  let seq;
  for (let i = 0; i < 300; i++) seq = scan(i);
  await reached(batch, seq);
  await reached(single, seq);
  const frames = batch.frames.slice(skip);
  assert.ok(frames.every(Array.isArray));
  assert.ok(frames.length < 300, `${frames.length} frames for 300 events`);
  assert.ok(single.frames.every((frame) => !Array.isArray(frame)));
  assert.equal(single.events.length, 300);
  assert.equal(batch.events.length, 300);
  [batch, single].forEach((client) => client.end());
});

/* ---- replay ---- */

test('since replays what is held and then goes on live', async () => {
  const first = scan(0);
  for (let i = 1; i < 10; i++) scan(i);
  const client = await subscribed({ since: first + 3 });
  const last = scan(10);
  await reached(client, last);
  assertWhole(client, first + 4, last);
  client.end();
});

test('since under load: no hole and no repeat, for clients that come at any moment', async () => {
  const { ring: own, stratad: s } = await pair({ slots: 32768 });
  let seq = own.publish('simd_scan', { rows_processed: 0 });
  let running = true;
  const load = (async () => {
    for (let i = 0; i < 400 && running; i++) {
      for (let k = 0; k < 25; k++) seq = own.publish(k === 0 ? 'population_progress' : 'simd_scan', k === 0 ? { rows_populated: i } : { rows_processed: k });
      await pace(2);
    }
  })();
  const joined = [];
  for (let i = 0; i < 12; i++) {
    const since = i % 3 === 0 ? 0 : Math.max(0, seq - i * 37);
    joined.push({ since, client: await subscribed({ since, batch: i % 2 === 0 }, {}, s) });
    await pace(17);
  }
  await load;
  running = false;
  for (const { since, client } of joined) {
    await reached(client, seq);
    assertWhole(client, since + 1, seq);
    assert.equal(client.of('gap').length, 0, JSON.stringify(client.of('gap')));
  }
  // Reconnecting with the last number seen continues exactly there.
  const again = await subscribed({ since: seq - 5 }, {}, s);
  await reached(again, seq);
  assertWhole(again, seq - 4, seq);
});

test('what is no longer held is one gap, and the rest follows', async () => {
  const { ring: own, stratad: s } = await pair({ slots: 64 });
  // While stratad is stopped the ring turns over several times.
  const client = await subscribed({ since: 0 }, {}, s);
  const before = own.publish('simd_scan', { rows_processed: 1 });
  await reached(client, before);
  s.child.signal('SIGSTOP');
  let seq;
  for (let i = 0; i < 1000; i++) seq = own.publish('simd_scan', { rows_processed: i });
  s.child.signal('SIGCONT');
  await reached(client, seq);
  assertWhole(client, 1, seq);
  const [gap, ...more] = client.of('gap');
  assert.deepEqual(more, []);
  assert.equal(gap.from_seq, before + 1);
  assert.ok(gap.lost >= 900 && gap.lost < 1000, String(gap.lost));
  // A newcomer that asks for what is lost hears of the same loss.
  const late = await subscribed({ since: before }, {}, s);
  await reached(late, seq);
  assertWhole(late, before + 1, seq);
  assert.ok(late.of('gap').length >= 1);
});

test('stratad holds as many events as it is told, and says what it no longer holds', async () => {
  const { ring: own, stratad: s } = await pair({ slots: 4096 }, ['--held-events', '1000']);
  const live = await subscribed({ since: 0 }, {}, s);
  let seq;
  for (let i = 0; i < 3000; i++) {
    seq = own.publish('simd_scan', { rows_processed: i });
    if (i % 200 === 0) await reached(live, seq);
  }
  await reached(live, seq);
  assertWhole(live, 1, seq);
  const late = await subscribed({ since: 10 }, {}, s);
  await reached(late, seq);
  assertWhole(late, 11, seq);
  const [gap] = late.of('gap');
  assert.ok(gap.to_seq >= seq - 1000 && gap.to_seq < seq, JSON.stringify(gap));
  const fresh = await subscribed({ since: seq - 500 }, {}, s);
  await reached(fresh, seq);
  assertWhole(fresh, seq - 499, seq);
  assert.equal(fresh.of('gap').length, 0);
});

test('a since of another time is stream_reset and everything that is held', async () => {
  const { ring: own, stratad: s } = await pair();
  const first = await subscribed({ since: 0 }, {}, s);
  let seq;
  for (let i = 0; i < 5; i++) seq = own.publish('simd_scan', { rows_processed: i });
  await reached(first, seq);
  const client = await subscribed({ since: 1000000 }, {}, s);
  await client.wait('stream_reset', (m) => m.epoch === own.epochText);
  await reached(client, seq);
  assertWhole(client, 1, seq);
});

test('a since that stratad has not read yet itself is no other time', async () => {
  for (let i = 0; i < 20; i++) {
    const client = open();
    await client.wait('connected');
    const seq = scan();
    client.send({ action: 'subscribe', id: 'x', topics: ['simd'], since: seq });
    await client.wait('subscribed');
    const next = scan();
    await reached(client, next);
    assert.deepEqual(client.events.map((e) => e.seq), [next]);
    assert.equal(client.of('stream_reset').length, 0);
    client.end();
  }
});

test('a new ring is stream_reset with its epoch, and the numbers start again', async () => {
  const { ring: own, stratad: s } = await pair();
  const client = await subscribed({ since: 0 }, {}, s);
  await reached(client, own.publish('simd_scan', { rows_processed: 1 }));
  own.close();
  const next = new Ring(own.file);
  try {
    const reset = await client.wait('stream_reset');
    assert.equal(reset.epoch, next.epochText);
    const seq = next.publish('simd_scan', { rows_processed: 2 });
    await until('the first event of the new ring', () => client.events.at(-1)?.rows_processed === 2);
    assert.equal(client.events.at(-1).seq, seq);
    const newcomer = await subscribed({ since: 0 }, {}, s);
    await reached(newcomer, seq);
    assert.equal(newcomer.of('connected')[0].epoch, next.epochText);
    assertWhole(newcomer, 1, seq);
  } finally {
    next.close();
  }
});

/* ---- bad messages and limits ---- */

const bad = {
  'no JSON': 'hello',
  'cut JSON': '{"action":',
  'an array': '[]',
  'a number': '7',
  'no action': '{}',
  'an unknown action': '{"action":"dance"}',
  'an action that is no text': '{"action":1}',
  'no id': '{"action":"subscribe"}',
  'topics that are no list': '{"action":"subscribe","id":"x","topics":"simd"}',
  'an unknown topic': '{"action":"subscribe","id":"x","topics":["weather"]}',
  'an unknown event type': '{"action":"subscribe","id":"x","event_types":["rain"]}',
  'an unknown filter': '{"action":"subscribe","id":"x","filter":{"colour":"red"}}',
  'an unknown field': '{"action":"subscribe","id":"x","colour":"red"}',
  'a since that is negative': '{"action":"subscribe","id":"x","since":-1}',
  'a since that is no number': '{"action":"subscribe","id":"x","since":"now"}',
  'a batch that is no bool': '{"action":"subscribe","id":"x","batch":1}',
  'an id that is not there': '{"action":"unsubscribe","id":"nobody"}',
  'something after the JSON': '{"action":"ping"} x',
  'deep nesting': '['.repeat(2000),
};

for (const [name, message] of Object.entries(bad)) {
  test(`a bad message is answered with error: ${name}`, async () => {
    const client = open();
    await client.wait('connected');
    client.send(message);
    const error = await client.wait('error');
    assert.equal(typeof error.code, 'string');
    assert.equal(typeof error.message, 'string');
    // One mistake is forgiven.
    client.send({ action: 'subscribe', id: 'ok', topics: ['simd'] });
    await client.wait('subscribed');
    client.end();
  });
}

test('repeated bad messages are closed with 4400', async () => {
  const client = open();
  await client.wait('connected');
  for (let i = 0; i < 50 && !client.close; i++) {
    client.send('nonsense');
    await until('an error or the end', () => client.close || client.of('error').length > i);
  }
  assert.equal((await client.waitClose()).code, 4400);
  assert.ok(client.of('error').length < 20);
});

test('the same id twice is an error and keeps the first subscription', async () => {
  const client = await subscribed({ id: 'same', topics: ['simd'] });
  client.send({ action: 'subscribe', id: 'same', topics: ['inmemory'] });
  await client.wait('error');
  const seq = scan();
  await reached(client, seq);
  client.end();
});

test('too many subscriptions on one connection are refused', async () => {
  const client = open();
  await client.wait('connected');
  for (let i = 0; i < 200 && !client.close; i++) {
    client.send({ action: 'subscribe', id: `s${i}`, topics: ['system'] });
    await until('an answer', () => client.close || client.of('subscribed').length > i || client.of('error').length > 0);
    if (client.of('error').length > 0) break;
  }
  assert.equal((await client.waitClose()).code, 4429);
  assert.ok(client.of('subscribed').length >= 8);
});

test('a message that is too long is closed', async () => {
  const client = open();
  await client.wait('connected');
  // No more than what is too long, so that nothing is left unread and the close code arrives.
  client.send(JSON.stringify({ action: 'ping', padding: 'x'.repeat(65536) }));
  assert.equal((await client.waitClose()).code, 1009);
  const flood = open();
  await flood.wait('connected');
  flood.send(JSON.stringify({ action: 'ping', padding: 'x'.repeat(4 * 1024 * 1024) }));
  const { code } = await flood.waitClose();
  assert.ok([1009, 1006].includes(code), String(code));
});

test('a binary message is refused', async () => {
  const client = open();
  await client.wait('connected');
  client.send(Buffer.from('{"action":"ping"}'));
  await until('an error or the end', () => client.of('error').length > 0 || client.close);
  if (client.close) assert.ok([1003, 4400].includes(client.close.code));
  client.end();
});

test('more connections than allowed are closed with 4429 or refused with 429, and room is given back', async () => {
  const { stratad: s } = await pair({}, ['--max-websockets', '3']);
  const three = [];
  for (let i = 0; i < 3; i++) three.push(await subscribed({ topics: ['simd'] }, {}, s));
  const fourth = open({}, s);
  await until('a refusal', () => fourth.close || fourth.refused);
  assert.ok(fourth.refused === 429 || fourth.close?.code === 4429, `${fourth.refused} ${JSON.stringify(fourth.close)}`);
  three[0].end();
  await until('room for another', async () => {
    const client = open({}, s);
    await until('an answer', () => client.of('connected').length > 0 || client.close || client.refused);
    return client.of('connected').length > 0 && !client.close;
  });
});

/* ---- slow clients ---- */

test('a client that does not read is cut off with 4408 and nobody else waits for it', async () => {
  const { ring: own, stratad: s } = await pair({ slots: 32768 });
  const slow = await subscribed({ topics: ['inmemory'] }, {}, s);
  const fast = await subscribed({ topics: ['inmemory'] }, {}, s);
  slow.socket.pause();
  const padding = 'x'.repeat(300);
  let seq;
  const worst = { ms: 0 };
  // Far more than socket buffers and any queue hold.
  for (let i = 0; i < 800; i++) {
    const sent = Date.now();
    for (let k = 0; k < 60; k++) seq = own.publish('population_progress', { table_name: padding, rows_populated: i });
    await until('the fast client to keep up', () => fast.messages.at(-1)?.seq === seq, 5000);
    worst.ms = Math.max(worst.ms, Date.now() - sent);
  }
  assertWhole(fast, 1, seq);
  assert.equal(fast.of('gap').length, 0);
  assert.ok(worst.ms < 2000, `the fast client once waited ${worst.ms} ms`);
  slow.socket.resume();
  const { code } = await slow.waitClose(30000);
  assert.equal(code, 4408);
  const gap = slow.of('gap').at(-1);
  assert.ok(gap && gap.lost > 0, 'the slow client is told what it lost');
  assert.equal((await s.get('/healthz')).status, 200);
});

test('a hundred clients all get every event', async () => {
  const { ring: own, stratad: s } = await pair({ slots: 4096 });
  const many = await Promise.all(Array.from({ length: 100 }, (_, i) => subscribed({ topics: ['simd'], batch: i % 2 === 0 }, {}, s)));
  let seq;
  for (let i = 0; i < 500; i++) seq = own.publish('simd_scan', { rows_processed: i });
  for (const client of many) {
    await reached(client, seq);
    assertWhole(client, 1, seq);
    client.end();
  }
});

/* ---- frames ---- */

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

async function rawWebSocket() {
  const raw = await RawSocket.open(stratad.port);
  const key = crypto.randomBytes(16).toString('base64');
  raw.write(`GET /api/v1/ws HTTP/1.1\r\nHost: 127.0.0.1:${stratad.port}\r\nAuthorization: Bearer ${stratad.token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`);
  await until('the handshake', () => raw.text.includes('\r\n\r\n'));
  assert.match(raw.text, /^HTTP\/1\.1 101 /);
  const accept = crypto.createHash('sha1').update(key + GUID).digest('base64');
  assert.ok(raw.text.includes(accept), 'Sec-WebSocket-Accept');
  raw.received = raw.received.subarray(raw.received.indexOf('\r\n\r\n') + 4);
  return raw;
}

function frame(payload, { opcode = 1, fin = true, rsv = 0, mask = true } = {}) {
  const data = Buffer.from(payload);
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  if (data.length < 126) head.push((mask ? 0x80 : 0) | data.length);
  else if (data.length < 65536) head.push((mask ? 0x80 : 0) | 126, data.length >> 8, data.length & 255);
  else head.push((mask ? 0x80 : 0) | 127, 0, 0, 0, 0, data.length >>> 24, (data.length >> 16) & 255, (data.length >> 8) & 255, data.length & 255);
  if (!mask) return Buffer.concat([Buffer.from(head), data]);
  const key = crypto.randomBytes(4);
  return Buffer.concat([Buffer.from(head), key, Buffer.from(data.map((byte, i) => byte ^ key[i % 4]))]);
}

/** Frames from the server: [{opcode, payload}]. */
function frames(raw) {
  const list = [];
  let at = 0;
  const data = raw.received;
  while (data.length - at >= 2) {
    let length = data[at + 1] & 127;
    let start = at + 2;
    if (length === 126) {
      if (data.length - at < 4) break;
      length = data.readUInt16BE(at + 2);
      start = at + 4;
    } else if (length === 127) {
      if (data.length - at < 10) break;
      length = Number(data.readBigUInt64BE(at + 2));
      start = at + 10;
    }
    if (data.length < start + length) break;
    list.push({ opcode: data[at] & 15, payload: data.subarray(start, start + length) });
    at = start + length;
  }
  return list;
}

const closeCode = (raw) => {
  const close = frames(raw).find((f) => f.opcode === 8);
  return close && close.payload.length >= 2 ? close.payload.readUInt16BE(0) : undefined;
};

const texts = (raw) => frames(raw).filter((f) => f.opcode === 1).map((f) => JSON.parse(f.payload.toString('utf8')).event_type);

test('a message may be cut into frames, with a ping between them', async () => {
  const raw = await rawWebSocket();
  const text = '{"action":"subscribe","id":"cut","topics":["simd"]}';
  raw.write(frame(text.slice(0, 10), { fin: false }));
  raw.write(frame('hi', { opcode: 9 }));
  raw.write(frame(text.slice(10, 20), { opcode: 0, fin: false }));
  raw.write(frame(text.slice(20), { opcode: 0 }));
  await until('subscribed', () => texts(raw).includes('subscribed'));
  await until('the pong', () => frames(raw).some((f) => f.opcode === 10 && f.payload.toString() === 'hi'));
  raw.destroy();
});

test('messages of every length class are taken', async () => {
  for (const size of [125, 126, 127, 4096, 20000, 60000]) {
    const raw = await rawWebSocket();
    const start = '{"action":"subscribe","id":"';
    const end = '","topics":["simd"]}';
    // An id of that size is refused, but as an answer to a message that arrived whole.
    raw.write(frame(start + 'i'.repeat(Math.max(1, size - start.length - end.length)) + end));
    await until(`an answer to ${size} bytes`, () => texts(raw).some((t) => t === 'subscribed' || t === 'error') || raw.closed);
    assert.equal(raw.closed, false, `${size} bytes`);
    raw.destroy();
  }
});

test('frames that break the protocol are closed', async () => {
  for (const [name, bytes, codes] of [
    ['a reserved bit', frame('{"action":"ping"}', { rsv: 4 }), [1002, undefined]],
    ['a reserved opcode', frame('', { opcode: 3 }), [1002, undefined]],
    ['a continuation of nothing', frame('x', { opcode: 0 }), [1002, undefined]],
    ['a control frame in pieces', frame('x', { opcode: 9, fin: false }), [1002, undefined]],
    ['a long control frame', frame('x'.repeat(126), { opcode: 9 }), [1002, undefined]],
    ['text that is not UTF-8', frame(Buffer.from([0x22, 0xff, 0xfe, 0x22])), [1007]],
  ]) {
    const raw = await rawWebSocket();
    raw.write(bytes);
    await until(`the end after ${name}`, () => raw.closed || closeCode(raw) !== undefined, 10000).catch((error) => {
      throw new Error(`${error.message}; frames: ${frames(raw).map((f) => `${f.opcode} ${f.payload}`).join('; ')}`);
    });
    assert.ok(codes.includes(closeCode(raw)), `${name}: ${closeCode(raw)}`);
    raw.destroy();
  }
  assert.equal((await stratad.get('/healthz')).status, 200);
});

test('close is answered with close', async () => {
  const raw = await rawWebSocket();
  const code = Buffer.from([0x03, 0xe8]);
  raw.write(frame(code, { opcode: 8 }));
  await until('the end', () => raw.closed);
  assert.equal(closeCode(raw), 1000);
});

test('connections that come and go in numbers leave nothing behind', async () => {
  const { stratad: s } = await pair();
  const live = async () => {
    const text = (await s.get('/metrics')).text;
    return Number(/^stratad_websocket_clients(?:\{[^}]*\})? (\d+)/m.exec(text)?.[1]);
  };
  for (let round = 0; round < 10; round++) {
    const some = Array.from({ length: 20 }, () => net.connect(s.port, '127.0.0.1'));
    for (const [i, socket] of some.entries()) {
      socket.on('error', () => {});
      socket.write(`GET /api/v1/ws HTTP/1.1\r\nHost: 127.0.0.1:${s.port}\r\nAuthorization: Bearer ${s.token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`);
      if (i % 2) socket.write(frame('{"action":"subscribe","id":"x","since":0}'));
    }
    await pace(30);
    some.forEach((socket) => socket.resetAndDestroy());
  }
  await until('no connection to be left', async () => (await live()) === 0);
});

// strata-tail: JSON lines, filters, gaps, resets, damaged rings, exit codes.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';

import { Child, run, temporaryDirectory, writeOwned } from './lib/process.js';
import { AT, Ring } from './lib/ring.js';
import { STRATA_TAIL } from './lib/stratad.js';
import { until } from './lib/wait.js';

const dir = temporaryDirectory('tail');
let made = 0;
const rings = [];

function newRing(options) {
  const ring = new Ring(path.join(dir, `ring${made++}`), options);
  rings.push(ring);
  return ring;
}

after(() => rings.forEach((ring) => ring.close()));

const tail = (...args) => run(STRATA_TAIL, args);
const lines = (text) => text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
const population = (n) => ({ table_name: 'public.t', rows_populated: n, progress_percent: 12.5, memory_used_bytes: 4096 });

test('prints each event as one JSON line and ends with --once', async () => {
  const ring = newRing();
  ring.publish('population_started', population(0), { database: 'shop', pid: 4711 });
  ring.publish('simd_filter', { operation_type: 'filter', rows_processed: 9007199254740991n, selectivity: 0.125, table_name: 'public.t' });
  const result = await tail('--ring', ring.file, '--once');
  assert.equal(result.code, 0, result.stderr);
  const [first, second, ...more] = lines(result.stdout);
  assert.deepEqual(more, []);
  const { timestamp, ...rest } = first;
  assert.deepEqual(rest, { event_type: 'population_started', seq: 1, pid: 4711, database: 'shop', ...population(0) });
  assert.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  assert.ok(Math.abs(Date.parse(timestamp) - Date.now()) < 60000);
  assert.equal(second.seq, 2);
  assert.equal(second.rows_processed, 9007199254740991);
  assert.equal(second.selectivity, 0.125);
});

test('text that is not UTF-8, quotes and control characters still make valid JSON', async () => {
  const ring = newRing();
  ring.publish('population_started', { table_name: Buffer.from([0x22, 0x5c, 0x0a, 0x01, 0xff, 0xc3, 0x28]) });
  const [event] = lines((await tail('--ring', ring.file, '--once')).stdout);
  assert.equal(event.table_name, '"\\\n\u0001\ufffd\ufffd(');
});

test('--since, --topic and --event-type choose', async () => {
  const ring = newRing();
  for (let i = 0; i < 5; i++) {
    ring.publish('population_progress', population(i));
    ring.publish('simd_scan', { rows_processed: i });
  }
  const seqs = async (...args) => lines((await tail('--ring', ring.file, '--once', ...args)).stdout).map((e) => e.seq);
  assert.deepEqual(await seqs('--since', '7'), [8, 9, 10]);
  assert.deepEqual(await seqs('--since', 'now'), []);
  assert.deepEqual(await seqs('--topic', 'simd'), [2, 4, 6, 8, 10]);
  assert.deepEqual(await seqs('--event-type', 'population_progress', '--since', '4'), [5, 7, 9]);
});

test('overwritten events are one gap that names them', async () => {
  const ring = newRing({ slots: 64 });
  for (let i = 0; i < 200; i++) ring.publish('simd_scan', { rows_processed: i });
  const [gap, ...events] = lines((await tail('--ring', ring.file, '--once')).stdout);
  assert.equal(gap.event_type, 'gap');
  assert.equal(gap.from_seq, 1);
  assert.equal(gap.to_seq, 200 - events.length);
  assert.equal(gap.lost, 200 - events.length);
  assert.deepEqual(events.map((e) => e.seq), Array.from(events, (_, i) => gap.to_seq + 1 + i));
  assert.ok(events.length >= 32 && events.length <= 64, `${events.length} events were left`);
});

test('chatter does not overwrite rare events, and both come in one order', async () => {
  const ring = newRing({ slots: 64 });
  ring.publish('population_started', population(0));
  for (let i = 0; i < 500; i++) ring.publish('simd_scan', { rows_processed: i });
  ring.publish('table_evicted', { table_name: 'public.t' });
  const items = lines((await tail('--ring', ring.file, '--once')).stdout);
  assert.equal(items[0].event_type, 'population_started');
  assert.equal(items[0].seq, 1);
  assert.equal(items[1].event_type, 'gap');
  assert.equal(items[1].from_seq, 2);
  assert.equal(items.at(-1).event_type, 'table_evicted');
  const seqs = items.filter((e) => e.seq).map((e) => e.seq);
  assert.deepEqual(seqs, [...seqs].sort((a, b) => a - b));
});

test('a slot that was claimed and never written costs that one event', async () => {
  const ring = newRing();
  const child = new Child(STRATA_TAIL, ['--ring', ring.file]);
  ring.publish('simd_scan', { rows_processed: 1 });
  ring.claimOnly('simd_scan');
  ring.publish('simd_scan', { rows_processed: 3 });
  await until('both events and the gap', () => lines(child.stdout.slice(0, child.stdout.lastIndexOf('\n') + 1)).length >= 3);
  const [one, gap, three] = lines(child.stdout);
  assert.equal(one.seq, 1);
  assert.deepEqual(gap, { event_type: 'gap', from_seq: 2, to_seq: 2, lost: 1 });
  assert.equal(three.seq, 3);
  assert.deepEqual(await child.end('SIGTERM'), { code: 0, signal: null });
});

test('follows, says a reset with the new epoch, and goes on with the new ring', async () => {
  const first = newRing();
  const child = new Child(STRATA_TAIL, ['--ring', first.file]);
  first.publish('population_started', population(1));
  const seen = () => lines(child.stdout.slice(0, child.stdout.lastIndexOf('\n') + 1));
  await until('the first event', () => seen().length === 1);
  first.close();
  await until('the notice that the server is away', () => child.stderr.includes('waiting'));
  const second = new Ring(first.file);
  rings.push(second);
  second.publish('population_started', population(2));
  await until('the reset and the event after it', () => seen().length === 3);
  const [, reset, event] = seen();
  assert.equal(reset.event_type, 'stream_reset');
  assert.equal(reset.epoch, second.epochText);
  assert.equal(event.seq, 1);
  assert.equal(event.rows_populated, 2);
  assert.deepEqual(await child.end('SIGINT'), { code: 0, signal: null });
});

test('wrong usage is exit code 2, with a reason', async () => {
  const ring = newRing();
  for (const args of [['--since', 'yesterday'], ['--since', '-1'], ['--since', '1x'], ['--nonsense'], ['extra'], ['--topic']]) {
    const result = await tail('--ring', ring.file, '--once', ...args);
    assert.equal(result.code, 2, args.join(' '));
    assert.notEqual(result.stderr, '');
    assert.equal(result.stdout, '');
  }
});

test('a filter that nothing can meet is exit code 2 instead of an endless wait', async () => {
  const ring = newRing();
  const topic = await tail('--ring', ring.file, '--topic', 'weather');
  assert.equal(topic.code, 2);
  assert.match(topic.stderr, /weather/);
  const type = await tail('--ring', ring.file, '--event-type', 'rain');
  assert.equal(type.code, 2);
  assert.match(type.stderr, /rain/);
});

test('--help and --version are exit code 0', async () => {
  const help = await tail('--help');
  assert.equal(help.code, 0);
  for (const flag of ['--ring', '--since', '--topic', '--event-type', '--once']) assert.ok(help.stdout.includes(flag), flag);
  const version = await tail('--version');
  assert.equal(version.code, 0);
  assert.match(version.stdout, /^strata-tail \d/);
});

test('a ring that is missing, empty, foreign or of another version is exit code 1, with a reason', async () => {
  const missing = await tail('--ring', path.join(dir, 'nothing'), '--once');
  assert.equal(missing.code, 1);
  assert.notEqual(missing.stderr, '');

  const foreign = path.join(dir, 'foreign');
  writeOwned(foreign, crypto.randomBytes(65536));
  assert.equal((await tail('--ring', foreign, '--once')).code, 1);

  const short = path.join(dir, 'short');
  writeOwned(short, Buffer.from('StrRing1'));
  assert.equal((await tail('--ring', short, '--once')).code, 1);

  const newer = newRing();
  newer.poke(AT.layoutVersion, 99);
  const version = await tail('--ring', newer.file, '--once');
  assert.equal(version.code, 1);
  assert.match(version.stderr, /version/);
});

test('a ring it may not read is exit code 1, with a reason', async () => {
  const ring = newRing();
  fs.chmodSync(ring.file, 0);
  const result = await tail('--ring', ring.file, '--once');
  assert.equal(result.code, 1);
  assert.match(result.stderr, /permission|read|denied/i);
});

test('a header that contradicts itself is refused', async () => {
  const huge = 0x7fffffffffffffffn;
  const damage = [
    [AT.headerBytes, 7], [AT.headerBytes, 0xffffffff], [AT.segmentBytes, huge], [AT.segmentBytes, 0n], [AT.slotBytes, 0], [AT.slotBytes, 1 << 20],
    [AT.bodyMax, 0xffff], [AT.lanes, huge], [AT.lanes + 8, 0], [AT.lanes + 8, 63], [AT.lanes + 8, 0x80000000], [AT.lanes + 12, 0],
    [AT.counters, huge], [AT.counters + 8, 0xffffffff], [AT.counterTexts + 12, 3], [AT.eventTexts + 8, 0x10000], [AT.fieldTexts, 1n],
  ];
  for (const [at, value] of damage) {
    const ring = newRing();
    ring.poke(at, value);
    const result = await tail('--ring', ring.file, '--once');
    assert.equal(result.code, 1, `offset ${at} = ${value}: ${result.stdout}${result.stderr}`);
  }
});

test('random bytes behind a good header never crash it', async () => {
  for (let round = 0; round < 40; round++) {
    const ring = newRing();
    for (let i = 0; i < 100; i++) ring.publish('population_progress', population(i));
    const size = fs.fstatSync(ring.fd).size;
    for (let hits = 0; hits < 200; hits++) {
      const at = AT.claim + Math.floor(crypto.randomInt(size - AT.claim - 8));
      ring.poke(at, crypto.randomBytes(8));
    }
    // The claim moves on, so that the reader looks at the slots.
    const result = await tail('--ring', ring.file, '--once');
    assert.ok(result.code === 0 || result.code === 1, `round ${round}: ${result.code ?? result.signal} ${result.stderr}`);
    lines(result.stdout);
  }
});

test('a ring that is truncated while it is followed ends in waiting, not in a crash', async () => {
  const ring = newRing();
  const child = new Child(STRATA_TAIL, ['--ring', ring.file]);
  ring.publish('population_started', population(1));
  await until('the first event', () => child.stdout.includes('\n'));
  ring.truncate(100);
  await until('the notice', () => child.stderr.length > 0 || !child.running);
  assert.ok(child.running, child.stderr);
  assert.deepEqual(await child.end('SIGTERM'), { code: 0, signal: null });
});

test('an output that nobody reads any more ends it', async () => {
  const ring = newRing();
  const child = new Child(STRATA_TAIL, ['--ring', ring.file]);
  await until('a start', () => child.running);
  child.child.stdout.destroy();
  const timer = setInterval(() => ring.publish('simd_scan', { rows_processed: 1 }), 20);
  const { code, signal } = await child.exited;
  clearInterval(timer);
  assert.ok(code === 1 || signal === 'SIGPIPE', `ended with ${code} ${signal}`);
});

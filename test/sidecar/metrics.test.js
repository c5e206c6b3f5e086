// /metrics: the text format, agreement with the ring, and that it needs no PostgreSQL.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { temporaryDirectory } from './lib/process.js';
import { parse, value } from './lib/prometheus.js';
import { Ring, counters } from './lib/ring.js';
import { Stratad } from './lib/stratad.js';
import { until } from './lib/wait.js';
import { Client } from './lib/websocket.js';

const dir = temporaryDirectory('metrics');
let ring;
let stratad;

before(async () => {
  ring = new Ring(path.join(dir, 'ring'), { slots: 64 });
  stratad = await Stratad.start({ node: `host=${dir} dbname=none`, ring: ring.file });
  await until('stratad to read the ring', async () => (await stratad.get('/readyz')).body?.ring?.state === 'up');
});

after(async () => {
  await stratad.stop();
  ring.close();
});

const scrape = async () => {
  const answer = await stratad.get('/metrics');
  assert.equal(answer.status, 200);
  return parse(answer.text);
};

test('answers in the text format 0.0.4, for who has the token', async () => {
  const answer = await stratad.get('/metrics');
  assert.equal(answer.status, 200);
  assert.match(answer.headers['content-type'], /^text\/plain; ?version=0\.0\.4(; ?charset=utf-8)?$/);
  parse(answer.text);
  assert.equal((await stratad.get('/metrics', { token: null })).status, 401);
});

test('promtool finds nothing to complain about', async (t) => {
  const { text } = await stratad.get('/metrics');
  const result = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  if (result.error) {
    // Without promtool the rules it would check are checked here.
    for (const [name, family] of parse(text)) {
      assert.match(name, /^(stratad?|process)_[a-z0-9_]+$/);
      assert.doesNotMatch(name, /_(ms|us|milliseconds|microseconds|kilobytes|megabytes|percent|gauge|counter)(_|$)/, name);
      assert.doesNotMatch(name, /[A-Z]/);
      assert.notEqual(family.help, '');
    }
    t.diagnostic('promtool is not installed; its rules were applied by the test');
    return;
  }
  assert.equal(result.status, 0, `${result.stdout}${result.stderr}`);
});

test('every counter of the server is there with its text, kind and value', async () => {
  counters.forEach((c, i) => ring.setCounter(c.name, 1000 + i));
  const families = await until('the values', async () => {
    const read = await scrape();
    return value(read, 'strata_events_published_total') === 1000 && read;
  });
  counters.forEach((c, i) => {
    const name = `strata_${c.name}${c.kind === 'COUNTER' ? '_total' : ''}`;
    const family = families.get(name);
    assert.ok(family, `${name} is missing`);
    assert.equal(family.type, c.kind.toLowerCase());
    assert.equal(family.help, c.text);
    assert.equal(family.samples[0].value, 1000 + i, name);
  });
});

test('says whether PostgreSQL and the ring are there', async () => {
  const families = await scrape();
  const up = [...families].filter(([name, f]) => /_up$/.test(name) && f.type === 'gauge');
  assert.ok(up.length >= 2, [...families.keys()].join(' '));
  const one = (word) => up.find(([name]) => name.includes(word))[1].samples[0].value;
  assert.equal(one('ring'), 1);
  assert.equal(one('postgres'), 0);
  assert.ok([...families].some(([name, f]) => name.endsWith('_build_info') && f.samples[0].value === 1 && f.samples[0].labels.version));
});

test('counts requests by route and status, with no label that a client can choose', async () => {
  const before = [...(await scrape())].flatMap(([, f]) => f.samples).length;
  for (let i = 0; i < 50; i++) {
    await stratad.get(`/nothing-${i}`);
    await stratad.request(i % 2 ? 'PUT' : 'DELETE', `/api/v1/made/up/${i}`);
    await stratad.get(`/api/v1/inmemory/tables/t${i}/status`);
  }
  const families = await scrape();
  const samples = [...families].flatMap(([, f]) => f.samples);
  assert.ok(samples.length - before < 200, `${samples.length - before} new series for 150 requests`);
  for (const sample of samples) for (const text of Object.values(sample.labels)) assert.doesNotMatch(text, /nothing-|made|\bt\d/);
  const requests = [...families].find(([name]) => /http_requests_total$/.test(name))[1].samples;
  assert.ok(requests.reduce((sum, s) => sum + s.value, 0) >= 150);
  assert.ok([...families].some(([name, f]) => /http_request_duration_seconds$/.test(name) && f.type === 'histogram'));
});

test('counts WebSocket clients and lost events', async () => {
  const client = await Client.subscribed(stratad, { topics: ['simd'] });
  const clients = (families) => [...families].find(([name]) => /^stratad_websocket_clients$/.test(name))[1].samples.reduce((sum, s) => sum + s.value, 0);
  const lost = (families) => [...families].find(([name]) => /ring_lost_events_total$/.test(name))[1].samples.reduce((sum, s) => sum + s.value, 0);
  const first = await scrape();
  assert.equal(clients(first), 1);
  stratad.child.signal('SIGSTOP');
  for (let i = 0; i < 500; i++) ring.publish('simd_scan', { rows_processed: i });
  stratad.child.signal('SIGCONT');
  const gap = await client.wait('gap');
  const second = await scrape();
  assert.equal(lost(second) - lost(first), gap.lost);
  client.end();
  await until('the client to be gone', async () => clients(await scrape()) === 0);
});

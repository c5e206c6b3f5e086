// The modules of the dashboard that need no browser: words and numbers, and the stream's reconnecting.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import * as format from '../../sidecar/web/src/format.js';
import { EventStream } from '../../sidecar/web/src/stream.js';
import { events } from './lib/ring.js';

test('sizes are written as PostgreSQL writes them', () => {
  assert.equal(format.bytes(0), '0 B');
  assert.equal(format.bytes(1023), '1023 B');
  assert.equal(format.bytes(1024), '1.00 kB');
  assert.equal(format.bytes(20 * 1024 ** 2), '20.0 MB');
  assert.equal(format.bytes(1024 ** 3), '1.00 GB');
  assert.equal(format.bytes(null), '–');
});

test('a part is never called the whole', () => {
  assert.equal(format.percent(1), '100 %');
  assert.equal(format.percent(0.99999), '99.9 %');
  assert.equal(format.percent(0.5), '50 %');
  assert.equal(format.percent(0.012), '1.2 %');
  assert.equal(format.percent(0), '0 %');
  assert.equal(format.percent(NaN), '–');
});

test('times are said in words', () => {
  const now = Date.parse('2026-01-01T12:00:00Z');
  assert.equal(format.ago(null, now), 'never');
  assert.equal(format.ago('2026-01-01T11:59:58Z', now), 'just now');
  assert.equal(format.ago('2026-01-01T11:59:00Z', now), '1 min ago');
  assert.equal(format.ago('2025-12-30T12:00:00Z', now), '2 d ago');
  assert.equal(format.duration(0.25), '250 µs');
  assert.equal(format.duration(61000), '1 min 1 s');
});

test('every event of the events table has a sentence of its own', () => {
  for (const { name, fields } of events) {
    const event = { event_type: name, seq: 1 };
    for (const field of fields.split(' ')) {
      const key = field.replace('?', '');
      if (key !== 'error') event[key] = /name|type|reason|epoch|status/.test(key) ? 'word' : 1;
    }
    const text = format.sentence(event);
    assert.match(text, /^\S.*\.$/, name);
    assert.doesNotMatch(text, /undefined|NaN|null|–/, `${name}: ${text}`);
  }
});

test('an event of a newer server is shown field by field', () => {
  assert.equal(format.sentence({ event_type: 'moon_rose', seq: 3, phase: 'full', height: 12 }), 'phase full, height 12');
});

/** A WebSocket that the test plays the server for. */
class FakeSocket {
  static all = [];

  constructor(url) {
    this.url = url;
    this.sent = [];
    this.readyState = 1;
    FakeSocket.all.push(this);
  }

  send(text) { this.sent.push(JSON.parse(text)); }
  close() { this.readyState = 3; }
  say(...messages) { for (const m of messages) this.onmessage({ data: JSON.stringify(m) }); }
}

function stream() {
  FakeSocket.all = [];
  const log = { states: [], events: [], gaps: [], resets: [] };
  const s = new EventStream({
    url: 'ws://test',
    token: 'secret',
    WebSocketClass: FakeSocket,
    handlers: {
      onState: (state) => log.states.push(state),
      onEvents: (list) => log.events.push(...list.map((e) => e.seq)),
      onGap: (gap) => log.gaps.push(gap),
      onReset: (reset) => log.resets.push(reset),
    },
  });
  s.start();
  const socket = () => FakeSocket.all.at(-1);
  const greet = (epoch = 'a', lastSeq = 0) => {
    socket().onopen();
    socket().say({ event_type: 'connected', epoch, last_seq: lastSeq });
    socket().say({ event_type: 'subscribed', id: 'dashboard' });
  };
  return { s, log, socket, greet };
}

const event = (seq) => ({ event_type: 'simd_scan', seq });

test('the token is in the first message and nowhere else', () => {
  const { s, socket, greet } = stream();
  greet();
  assert.deepEqual(socket().sent[0], { action: 'auth', token: 'secret' });
  assert.equal(socket().url.includes('secret'), false);
  assert.equal(socket().sent[1].action, 'subscribe');
  s.stop();
});

test('the page opens with a little history', () => {
  const { s, socket, greet } = stream();
  greet('a', 1000);
  assert.equal(socket().sent[1].since, 800);
  s.stop();
});

test('after a break it goes on where it was, without a repeat', () => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  const { s, log, socket, greet } = stream();
  greet('a', 0);
  socket().say([event(1), event(2)], event(3));
  socket().onclose({ code: 1006 });
  assert.equal(log.states.at(-1).state, 'waiting');
  mock.timers.tick(1000);
  assert.equal(FakeSocket.all.length, 2);
  greet('a', 5);
  assert.equal(socket().sent[1].since, 3);
  socket().say(event(3), event(4), event(5));
  assert.deepEqual(log.events, [1, 2, 3, 4, 5]);
  s.stop();
  mock.timers.reset();
});

test('each failure waits longer, up to a limit, and a success starts over', () => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  const { s, log, socket, greet } = stream();
  const waits = [];
  for (let i = 0; i < 10; i++) {
    const before = Date.now();
    socket().onclose({ code: 1006 });
    waits.push(log.states.at(-1).retryAt - before);
    mock.timers.tick(16000);
  }
  assert.ok(waits[0] <= 500);
  assert.ok(waits[3] >= 2000, String(waits));
  assert.ok(Math.max(...waits) <= 15000, String(waits));
  greet();
  socket().onclose({ code: 1006 });
  assert.ok(log.states.at(-1).retryAt - Date.now() <= 500);
  s.stop();
  mock.timers.reset();
});

test('a new epoch starts from the beginning and is said', () => {
  const { s, log, socket, greet } = stream();
  greet('a', 0);
  socket().say(event(7));
  socket().say({ event_type: 'stream_reset', epoch: 'b' }, event(1), event(2));
  assert.deepEqual(log.resets, [{ epoch: 'b' }]);
  assert.deepEqual(log.events, [7, 1, 2]);
  s.stop();
});

test('a gap is passed on and not asked for again', () => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  const { s, log, socket, greet } = stream();
  greet('a', 0);
  socket().say(event(1), { event_type: 'gap', from_seq: 2, to_seq: 9, lost: 8 });
  assert.equal(log.gaps[0].lost, 8);
  socket().onclose({ code: 4408 });
  mock.timers.tick(1000);
  greet('a', 9);
  assert.equal(socket().sent[1].since, 9);
  s.stop();
  mock.timers.reset();
});

test('a refused token is not tried again', () => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  for (const code of [4401, 4403]) {
    const { log, socket } = stream();
    socket().onopen();
    socket().onclose({ code, reason: 'no' });
    assert.equal(log.states.at(-1).state, 'refused');
    mock.timers.tick(60000);
    assert.equal(FakeSocket.all.length, 1);
  }
  mock.timers.reset();
});

test('a connection that went silent is given up', () => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  const { s, log, socket, greet } = stream();
  greet();
  mock.timers.tick(15000);
  assert.deepEqual(socket().sent.at(-1), { action: 'ping' });
  mock.timers.tick(45000);
  assert.ok(FakeSocket.all.length > 1 || log.states.at(-1).state === 'waiting');
  s.stop();
  mock.timers.reset();
});

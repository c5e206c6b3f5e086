// What stratad must guard against in libwebsockets 4.1.6 and in clients: each as bytes on a socket.
// No PostgreSQL is needed: the guards stand before it.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { RawSocket, request } from './lib/http.js';
import { temporaryDirectory } from './lib/process.js';
import { Stratad } from './lib/stratad.js';
import { pace, until, within } from './lib/wait.js';

let stratad;
let host;
let auth;

before(async () => {
  stratad = await Stratad.start({ node: `host=${temporaryDirectory('none')} dbname=none` });
  host = `Host: 127.0.0.1:${stratad.port}\r\n`;
  auth = `Authorization: Bearer ${stratad.token}\r\n`;
});

// A guard that fails may leave stratad hanging: the next test gets a fresh one, so that each tells its own story.
afterEach(async () => {
  const answer = await within('/healthz', request(stratad.port, 'GET', '/healthz'), 3000).catch(() => null);
  if (answer?.status === 200) return;
  await stratad.child.end('SIGKILL');
  await stratad.launch();
  host = `Host: 127.0.0.1:${stratad.port}\r\n`;
});

after(() => stratad.stop());

const open = () => RawSocket.open(stratad.port);
const answers = (raw, n) => until(`${n} responses`, () => raw.responses().length >= n && raw.responses());
const alive = async () => assert.equal((await request(stratad.port, 'GET', '/healthz')).status, 200);

/** Sends bytes, waits for the connection to be closed, and gives the responses that came before. */
async function closedAfter(bytes, timeoutMs = 5000) {
  const raw = await open();
  raw.write(bytes);
  await until(`the connection to be closed after ${JSON.stringify(bytes.slice(0, 60))}`, () => raw.closed, timeoutMs);
  return raw.responses();
}

/** Our own answers carry a request id; libwebsockets' built-in error pages do not. */
const ours = (response) => assert.ok(response.headers['x-request-id'], `not an answer of stratad: ${JSON.stringify(response)}`);

test('guard 1: keep-alive, then Upgrade to something unknown, ends the connection', async () => {
  for (let i = 0; i < 20; i++) {
    const raw = await open();
    raw.write(`GET /healthz HTTP/1.1\r\n${host}\r\n`);
    await answers(raw, 1);
    // libwebsockets says 403, gives the headers back, and then asks us: without the guard it would go on with
    // headers that are no longer its own, on a connection that stays open.
    raw.write(`GET /healthz HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: foo\r\n\r\n`);
    await until('the connection to be closed', () => raw.closed, 3000);
    const [first, second, ...more] = raw.responses();
    assert.equal(first.status, 200);
    assert.deepEqual(more, []);
    if (second) assert.ok(second.status >= 400, String(second.status));
    assert.equal(raw.leftover.length, 0);
  }
  await alive();
});

test('guard 1: the same on a fresh connection, in capitals, as a list, and without a value', async () => {
  for (const value of ['foo', 'WEBSOCKETS', 'websocket, foo', 'foo/1.0', 'TLS/1.0', 'websocket/13', 'x'.repeat(200), '']) {
    const raw = await open();
    raw.write(`GET /api/v1/ws HTTP/1.1\r\n${host}${auth}Connection: Upgrade\r\nUpgrade: ${value}\r\n\r\n`);
    await until(`an end for Upgrade: ${value}`, () => raw.closed || raw.responses().length > 0, 5000);
    for (const { status } of raw.responses()) assert.ok(status >= 400, `${value}: ${status}`);
    raw.destroy();
  }
  await alive();
});

test('guard 2: HTTP/2 is refused, by upgrade and by prior knowledge', async () => {
  const upgrade = `${host}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n`;
  for (const first of ['', `GET /healthz HTTP/1.1\r\n${host}\r\n`]) {
    const raw = await open();
    raw.write(first);
    if (first) await answers(raw, 1);
    raw.write(`GET /healthz HTTP/1.1\r\n${upgrade}`);
    await until('an end', () => raw.closed || raw.responses().length > (first ? 1 : 0), 5000);
    assert.equal(raw.text.includes(' 101 '), false, raw.text);
    raw.destroy();
  }
  const prior = await open();
  prior.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0');
  await until('an end of prior knowledge', () => prior.closed, 15000);
  assert.equal(/^HTTP\/2|\0\0/.test(prior.text), false);
  await alive();
});

test('guard 3: CONNECT is closed at once', async () => {
  const started = Date.now();
  const responses = await closedAfter(`CONNECT example.com:443 HTTP/1.1\r\n${host}\r\n`, 3000);
  assert.ok(Date.now() - started < 2000, `took ${Date.now() - started} ms`);
  for (const { status } of responses) assert.ok(status >= 400);
  await closedAfter(`CONNECT 127.0.0.1:${stratad.port} HTTP/1.1\r\n${host}${auth}\r\nGET /healthz HTTP/1.1\r\n${host}\r\n`, 3000);
  await alive();
});

const populate = 'POST /api/v1/inmemory/populate HTTP/1.1\r\n';
const json = 'Content-Type: application/json\r\n';
const next = () => `GET /healthz HTTP/1.1\r\n${host}\r\n`;

test('guard 4: a chunked body is refused and what follows is not taken for a request', async () => {
  for (const headers of ['Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: gzip, chunked\r\n', 'transfer-encoding: CHUNKED\r\n', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', 'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', 'Transfer-Encoding: identity\r\n']) {
    const responses = await closedAfter(`${populate}${host}${auth}${json}${headers}\r\n2\r\n{}\r\n0\r\n\r\n${next()}`);
    assert.equal(responses.length, 1, headers);
    assert.ok([400, 411, 501].includes(responses[0].status), `${headers}: ${responses[0].status}`);
    ours(responses[0]);
  }
  // Not only where a body is expected.
  const [get] = await closedAfter(`GET /healthz HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`);
  assert.ok([400, 411, 501].includes(get.status));
  await alive();
});

test('guard 4: a Content-Length that is not one plain number is refused', async () => {
  const values = ['-1', '+2', '0x2', '2 2', '2,2', '2;3', 'two', '2.0', '1e1', '', '99999999999999999999', '18446744073709551618', '4294967298 '];
  for (const value of values) {
    const responses = await closedAfter(`${populate}${host}${auth}${json}Content-Length: ${value}\r\n\r\n{}${next()}`);
    assert.ok(responses.length <= 1, `Content-Length: ${value} got ${responses.length} answers`);
    if (responses.length) {
      assert.ok([400, 411, 413].includes(responses[0].status), `Content-Length: ${value}: ${responses[0].status}`);
      ours(responses[0]);
    }
  }
  await alive();
});

test('guard 4: two Content-Lengths are refused, also when they agree', async () => {
  for (const [one, two] of [['2', '2'], ['2', '40'], ['40', '2'], ['0', '2']]) {
    const responses = await closedAfter(`${populate}${host}${auth}${json}Content-Length: ${one}\r\nContent-Length: ${two}\r\n\r\n{}${next()}`);
    assert.equal(responses.length, 1, `${one} and ${two}`);
    assert.equal(responses[0].status, 400, `${one} and ${two}`);
  }
  await alive();
});

test('guard 5: bytes pipelined after a body give exactly one answer a request', async () => {
  const raw = await open();
  const body = '{"table":"public.t"}';
  const post = `${populate}${host}${auth}${json}Content-Length: ${body.length}\r\n\r\n${body}`;
  raw.write(post + next() + post + next());
  await until('four answers or the end', () => raw.closed || raw.responses().length >= 4);
  const responses = raw.responses();
  // libwebsockets loops for ever on a body that was pipelined behind another request: that one is refused.
  assert.deepEqual(responses.map((r) => r.status), [503, 200, 400]);
  assert.equal(responses[2].headers.connection, 'close');
  assert.equal(raw.leftover.length, 0);
  const ids = new Set(responses.map((r) => r.headers['x-request-id']));
  assert.equal(ids.size, 3);
  await until('the end', () => raw.closed, 5000);
  // One after the other they are all served.
  const patient = await open();
  for (let i = 1; i <= 6; i++) {
    patient.write(i % 2 ? post : next());
    await answers(patient, i);
  }
  assert.deepEqual(patient.responses().map((r) => r.status), [503, 200, 503, 200, 503, 200]);
  patient.destroy();
  await alive();
});

test('guard 8: pipelined POST, PUT and PATCH without Content-Length end the connection, not the server', async () => {
  for (const method of ['POST', 'PUT', 'PATCH']) {
    const raw = await open();
    const head = `${method} /api/v1/inmemory/populate HTTP/1.1\r\n${host}${json}\r\n`;
    raw.write(head + head + head + next());
    await until('the end', () => raw.closed, 8000);
    assert.ok(raw.responses().length >= 1, `${method}: the first is answered`);
    assert.ok(raw.responses().every((r) => r.status >= 400), `${method}: none is accepted`);
    await alive();
  }
});

test('guard 5: the body may come byte by byte and the next request in the middle of a packet', async () => {
  const raw = await open();
  const body = '{"table":"public.t"}';
  const bytes = `${populate}${host}${auth}${json}Content-Length: ${body.length}\r\n\r\n${body}${next()}`;
  const cut = bytes.indexOf('\r\n\r\n') + 4;
  raw.write(bytes.slice(0, cut));
  for (let i = cut; i < cut + body.length - 1; i++) {
    raw.write(bytes[i]);
    await new Promise((resolve) => setImmediate(resolve));
  }
  raw.write(bytes.slice(cut + body.length - 1));
  const responses = await answers(raw, 2);
  assert.deepEqual(responses.map((r) => r.status), [503, 200]);
  raw.destroy();
});

test('guard 5: GET and DELETE with a body are answered once, after the body', async () => {
  for (const [method, path, status] of [['GET', '/healthz', [200, 400]], ['GET', '/api/v1/capabilities', [200, 400]], ['DELETE', '/api/v1/jobs/1', [400, 503]], ['GET', '/nothing', [404, 400]]]) {
    const raw = await open();
    raw.write(`${method} ${path} HTTP/1.1\r\n${host}${auth}${json}Content-Length: 4\r\n\r\n{`);
    await pace(50);
    raw.write(`"a"${next()}`);
    await until('two answers or the end', () => raw.closed || raw.responses().length >= 2, 8000);
    const [first, second, ...more] = raw.responses();
    assert.ok(status.includes(first.status), `${method} ${path}: ${first.status}`);
    assert.deepEqual(more, []);
    // The connection may be closed after an answer, but what comes must be the answer to the next request.
    if (second) assert.equal(second.status, 200, `${method} ${path}`);
    raw.destroy();
  }
  await alive();
});

test('guard 5: rubbish after a body is not answered as if it were the same request again', async () => {
  const raw = await open();
  raw.write(`${populate}${host}${auth}${json}Content-Length: 2\r\n\r\n{}rubbish\r\n\r\n`);
  await until('an end', () => raw.closed || raw.responses().length >= 1, 5000);
  await until('the rest', () => raw.closed || raw.responses().length >= 2, 12000).catch(() => {});
  const responses = raw.responses();
  assert.equal(responses[0].status, 400); // "table" is missing from {}
  assert.ok(responses.length <= 2);
  if (responses[1]) assert.ok(responses[1].status >= 400);
  raw.destroy();
  await alive();
});

test('guard 6: paths mean the same for every method', async () => {
  for (const [method, path, status] of [
    ['POST', '/healthz', 405], ['POST', '/api/v1/inmemory/status', 405], ['PUT', '/api/v1/inmemory/populate', 405], ['DELETE', '/api/v1/capabilities', 405],
    ['POST', '/inmemory/populate', 404], ['POST', '/populate', 404], ['GET', '/inmemory/status', 404], ['POST', '/api/v1/inmemory/populate/more', 404],
    ['GET', '/api/v1', 404], ['GET', '/api/v1/', 404], ['PATCH', '/api/v1/inmemory/config', 405],
  ]) {
    const answer = await stratad.request(method, path, method === 'GET' || method === 'DELETE' ? {} : { body: {} });
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
    assert.equal(answer.headers['content-type'], 'application/problem+json');
  }
});

test('paths cannot leave their place', async () => {
  for (const path of ['/../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '/..%2f..%2fetc/passwd', '/app.js/../../etc/passwd', '/index.html%00.js', '//etc/passwd']) {
    const raw = await open();
    raw.write(`GET ${path} HTTP/1.1\r\n${host}\r\n`);
    await until(`an end for ${path}`, () => raw.closed || raw.responses().length > 0);
    for (const response of raw.responses()) assert.ok([400, 403, 404].includes(response.status), `${path}: ${response.status}`);
    assert.equal(raw.text.includes('root:'), false);
    raw.destroy();
  }
  await alive();
});

test('Host must be a loopback address and the port', async () => {
  const { port } = stratad;
  const status = async (line) => {
    const raw = await open();
    raw.write(`GET /healthz HTTP/1.1\r\n${line}\r\n`);
    await until('an answer or the end', () => raw.closed || raw.responses().length > 0);
    const [first] = raw.responses();
    raw.destroy();
    return first?.status;
  };
  for (const name of ['127.0.0.1', 'localhost', 'LOCALHOST', '[::1]', '127.0.0.2']) assert.equal(await status(`Host: ${name}:${port}\r\n`), 200, name);
  for (const name of ['127.evil.com', 'evil.com', '127.0.0.1.evil.com', 'localhost.evil.com', '127.0.0.1.nip.io', '2130706433', '0x7f000001', '0177.0.0.1', '10.0.0.1', '[::2]', '[::1', '::1', '', 'a@127.0.0.1', '127.0.0.1:80@evil.com']) {
    assert.equal(await status(`Host: ${name}:${port}\r\n`), 403, name);
  }
  assert.equal(await status(`Host: 127.0.0.1:${port + 1}\r\n`), 403);
  assert.equal(await status('Host: 127.0.0.1\r\n'), 403);
  assert.equal(await status(`Host: 127.0.0.1:${port}x\r\n`), 403);
  assert.ok([400, 403].includes(await status('')), 'no Host');
});

const handshake = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

test('Origin must be our own, for requests and for WebSocket', async () => {
  const { port } = stratad;
  const status = async (path, lines) => {
    const raw = await open();
    raw.write(`GET ${path} HTTP/1.1\r\n${host}${auth}${lines}\r\n`);
    await until('an answer or the end', () => raw.closed || raw.responses().length > 0);
    const [first] = raw.responses();
    raw.destroy();
    return first?.status;
  };
  for (const [path, lines, good] of [['/healthz', '', 200], ['/api/v1/capabilities', '', 200], ['/api/v1/ws', handshake, 101]]) {
    assert.equal(await status(path, lines), good, path);
    assert.equal(await status(path, `Origin: http://127.0.0.1:${port}\r\n${lines}`), good, path);
    for (const origin of ['http://evil.com', `http://127.0.0.1:${port + 1}`, 'null', `https://127.0.0.1:${port}`, `http://127.0.0.1:${port}.evil.com`, `http://localhost:${port}`, 'file://']) {
      assert.equal(await status(path, `Origin: ${origin}\r\n${lines}`), 403, `${path} from ${origin}`);
    }
  }
});

test('a WebSocket upgrade with a foreign Host is refused', async () => {
  const raw = await open();
  raw.write(`GET /api/v1/ws HTTP/1.1\r\nHost: 127.evil.com:${stratad.port}\r\n${auth}${handshake}\r\n`);
  await until('an answer or the end', () => raw.closed || raw.responses().length > 0);
  assert.equal(raw.responses()[0]?.status, 403);
  raw.destroy();
});

test('a WebSocket upgrade anywhere but on a WebSocket path is refused', async () => {
  for (const path of ['/', '/healthz', '/api/v1/capabilities', '/api/v1/ws/nothing', '/ws', '/api/v1/ws/']) {
    const raw = await open();
    raw.write(`GET ${path} HTTP/1.1\r\n${host}${auth}${handshake}\r\n`);
    await until(`an answer or the end for ${path}`, () => raw.closed || raw.responses().length > 0);
    assert.notEqual(raw.responses()[0]?.status, 101, path);
    raw.destroy();
  }
  await alive();
});

test('headers that are too long or too many are refused and hurt nobody', async () => {
  for (const lines of [`X-Long: ${'a'.repeat(100000)}\r\n`, `Authorization: Bearer ${'a'.repeat(40000)}\r\n`, Array.from({ length: 3000 }, (_, i) => `X-${i}: ${i}\r\n`).join(''), `Cookie: ${'b'.repeat(60000)}\r\n`]) {
    const raw = await open();
    raw.write(`GET /healthz HTTP/1.1\r\n${host}${lines}\r\n`);
    await until('an answer or the end', () => raw.closed || raw.responses().length > 0, 15000);
    for (const { status } of raw.responses()) assert.ok([200, 400, 413, 431].includes(status), String(status));
    raw.destroy();
    await alive();
  }
  const uri = await open();
  uri.write(`GET /${'a'.repeat(100000)} HTTP/1.1\r\n${host}\r\n`);
  await until('an answer or the end', () => uri.closed || uri.responses().length > 0, 15000);
  for (const { status } of uri.responses()) assert.ok([400, 404, 414, 431].includes(status), String(status));
  uri.destroy();
  await alive();
});

test('bytes that are no HTTP are closed', async () => {
  for (const bytes of ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', '\0'.repeat(100), 'GET\r\n\r\n', 'SSH-2.0-OpenSSH_9\r\n\r\n', ' / HTTP/1.1\r\n\r\n', 'GET /healthz HTTP/9.9\r\n\r\n', `${'A'.repeat(5000)}\r\n\r\n`]) {
    const raw = await open();
    raw.write(Buffer.from(bytes, 'latin1'));
    await until(`an end for ${JSON.stringify(bytes.slice(0, 20))}`, () => raw.closed || raw.text.length > 0, 20000);
    assert.equal(/^HTTP\/1.1 200/.test(raw.text), false);
    raw.destroy();
  }
  await alive();
});

test('connections that only wait are closed in time', async () => {
  const silent = await open();
  const half = await open();
  half.write('GET /healthz HTTP/1.1\r\nHost: ');
  const drip = await open();
  drip.write('GET /healthz HTTP/1.1\r\n');
  const body = await open();
  body.write(`${populate}${host}${auth}${json}Content-Length: 1000\r\n\r\n{`);
  const idle = await open();
  idle.write(next());
  await answers(idle, 1);
  const slowReader = setInterval(() => drip.write('X'), 500);
  try {
    for (const [name, raw] of Object.entries({ silent, half, drip, body, idle })) await until(`the ${name} connection to be closed`, () => raw.closed, 45000);
  } finally {
    clearInterval(slowReader);
  }
  for (const raw of [silent, half, drip]) assert.equal(raw.text.startsWith('HTTP/1.1 200'), false);
  await alive();
});

test('many waiting connections do not keep others out', async () => {
  const waiting = [];
  for (let i = 0; i < 200; i++) {
    const raw = await open();
    raw.write('GET /healthz HTTP/1.1\r\n');
    waiting.push(raw);
  }
  await alive();
  waiting.forEach((raw) => raw.destroy());
});

test('a client that leaves in the middle of anything hurts nobody', async () => {
  const half = [`GET /healthz HTTP/1.1\r\n${host}\r\n`, `${populate}${host}${auth}${json}Content-Length: 100\r\n\r\n{"table":`, `GET /app.js HTTP/1.1\r\n${host}\r\n`, `GET /api/v1/ws HTTP/1.1\r\n${host}${auth}${handshake}\r\n`, `GET /api/v1/inmemory/status HTTP/1.1\r\n${host}${auth}\r\n`];
  for (let i = 0; i < 50; i++) {
    const raw = await open();
    raw.write(half[i % half.length]);
    if (i % 2) await pace(i % 7);
    raw.socket.resetAndDestroy();
  }
  await alive();
});

test('HEAD is GET without the body', async () => {
  const raw = await open();
  raw.write(`HEAD /healthz HTTP/1.1\r\n${host}\r\nGET /healthz HTTP/1.1\r\n${host}\r\n`);
  await until('the answer to GET', () => raw.text.split('HTTP/1.1 200').length === 3 && /\}\s*$|ok\s*$/.test(raw.text));
  const [, head, get] = raw.text.split('HTTP/1.1 200 ');
  assert.equal(head.endsWith('\r\n\r\n'), true, `HEAD got a body: ${head}`);
  const length = (text) => /content-length: (\d+)/i.exec(text)?.[1];
  assert.equal(length(head), length(get));
  raw.destroy();
});

// stratad as a program: flags, configuration file, token file, exit codes, stopping.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, test } from 'node:test';

import { request } from './lib/http.js';
import { Child, account, run, temporaryDirectory, writeOwned } from './lib/process.js';
import { STRATAD, Stratad } from './lib/stratad.js';
import { until } from './lib/wait.js';

const dir = temporaryDirectory('cli');
const node = `host=${dir} dbname=none`;
const running = [];

after(() => Promise.all(running.map((s) => s.stop())));

const start = async (options) => {
  const s = await Stratad.start({ node, ...options });
  running.push(s);
  return s;
};

test('--help and --version are exit code 0', async () => {
  const help = await run(STRATAD, ['--help']);
  assert.equal(help.code, 0);
  for (const flag of ['--config', '--node', '--listen', '--ring', '--token-file', '--enable-mutations', '--log-format', '--check-config', '--version', '--help']) assert.ok(help.stdout.includes(flag), flag);
  const version = await run(STRATAD, ['--version']);
  assert.equal(version.code, 0);
  assert.match(version.stdout, /^stratad \d/);
});

test('bad configuration is exit code 2 and says what is wrong', async () => {
  for (const [args, word] of [
    [['--nonsense'], 'nonsense'],
    [['extra'], 'extra'],
    [['--listen', 'somewhere'], 'somewhere'],
    [['--listen', '127.0.0.1:99999'], '99999'],
    [['--listen', '127.0.0.1:port'], 'port'],
    [['--log-format', 'xml'], 'xml'],
    [['--node', 'main'], 'main'],
    [['--config', path.join(dir, 'nothing.conf')], 'nothing.conf'],
    [['--rate-limit', 'many'], 'many'],
    [['--rate-limit', '-1'], 'rate-limit'],
    [['--max-websockets', ''], 'max-websockets'],
  ]) {
    const result = await run(STRATAD, ['--token-file', path.join(dir, 'unused'), ...args]);
    assert.equal(result.code, 2, `${args.join(' ')}: ${result.code} ${result.stderr}`);
    assert.ok(result.stderr.includes(word), `${args.join(' ')}: ${result.stderr}`);
  }
  assert.equal(fs.existsSync(path.join(dir, 'unused')), false);
});

test('an address beyond this machine is refused', async () => {
  for (const listen of ['0.0.0.0:0', '10.1.2.3:8432', '[::]:0', '192.168.1.1:80']) {
    const result = await run(STRATAD, ['--token-file', path.join(dir, 'unused'), '--listen', listen]);
    assert.equal(result.code, 2, `${listen}: ${result.stderr}`);
    assert.match(result.stderr, /loopback|TLS/i);
  }
});

test('the configuration file has the keys of the flags, and flags win', async () => {
  const good = writeOwned(path.join(dir, 'good.conf'), `# a comment\nnode = main=${node}\nlisten = 127.0.0.1:0\nlog-format = json\nenable-mutations = on\ntoken-file = ${path.join(dir, 'conf-token')}\n`);
  const check = await run(STRATAD, ['--config', good, '--check-config']);
  assert.equal(check.code, 0, check.stderr);
  assert.equal(fs.existsSync(path.join(dir, 'conf-token')), false, '--check-config leaves nothing behind');

  for (const [text, word] of [['colour = red\n', 'colour'], ['listen\n', 'key = value'], ['log-format = xml\n', 'xml'], ['rate-limit = 1.5.2\n', 'rate-limit']]) {
    const bad = writeOwned(path.join(dir, 'bad.conf'), `# first line\n${text}`);
    const result = await run(STRATAD, ['--config', bad, '--check-config']);
    assert.equal(result.code, 2, text);
    assert.ok(result.stderr.includes(word) && /\b2\b/.test(result.stderr), `${text}: ${result.stderr}`);
  }

  const child = new Child(STRATAD, ['--config', good, '--log-format', 'text']);
  const port = await until('the port', () => Number(/127\.0\.0\.1:(\d+)/.exec(child.stdout + child.stderr)?.[1]));
  const token = /\b([0-9a-f]{48})\b/.exec(child.stdout + child.stderr)[1];
  const capabilities = await request(port, 'GET', '/api/v1/capabilities', { token });
  assert.equal(capabilities.status, 200);
  assert.equal(child.stderr.split('\n')[0].startsWith('{'), false, 'the flag wins over log-format = json');
  assert.deepEqual(await child.end('SIGTERM'), { code: 0, signal: null });
});

test('with --log-format json every line is JSON', async () => {
  const s = await start({ flags: ['--log-format', 'json'] });
  await s.post('/api/v1/inmemory/populate', { table: 'x' });
  await s.stop();
  const lines = s.child.stderr.split('\n').filter(Boolean);
  assert.ok(lines.length > 0);
  for (const line of lines) assert.equal(typeof JSON.parse(line), 'object', line);
});

test('the token is made once, kept hashed in a file of mode 0600, printed once, and survives a restart', async () => {
  const s = await start();
  assert.match(s.token, /^[0-9a-f]{48}$/);
  assert.ok(s.log.includes(s.tokenFile), 'the path is printed');
  const stat = fs.statSync(s.tokenFile);
  assert.equal(stat.mode & 0o777, 0o600);
  assert.equal(fs.readFileSync(s.tokenFile, 'utf8').includes(s.token), false, 'the token itself is not in the file');
  assert.equal((await s.get('/api/v1/capabilities')).status, 200);
  await s.stop();
  await s.launch();
  assert.equal(s.log.includes(s.token), false, 'printed only when it is made');
  assert.equal((await s.get('/api/v1/capabilities')).status, 200);
});

test('a token file that others may read, or that is damaged, is refused', async () => {
  const s = await start();
  await s.stop();
  fs.chmodSync(s.tokenFile, 0o644);
  const open = await run(STRATAD, s.args);
  assert.ok(open.code === 1 || open.code === 2, open.stderr);
  assert.ok(open.stderr.includes(s.tokenFile));
  for (const text of ['admin admin zz zz\n', 'one two\n', '\0\0\0\n', `${'x'.repeat(100000)}\n`]) {
    writeOwned(s.tokenFile, text);
    const result = await run(STRATAD, s.args);
    assert.ok(result.code === 1 || result.code === 2, `${JSON.stringify(text.slice(0, 20))}: ${result.code ?? result.signal}`);
  }
});

test('a port that is taken is exit code 1', async () => {
  const holder = http.createServer().listen(0, '127.0.0.1');
  await until('a port', () => holder.address());
  const result = await run(STRATAD, ['--listen', `127.0.0.1:${holder.address().port}`, '--token-file', path.join(temporaryDirectory('cli'), 'token'), '--node', `main=${node}`]);
  holder.close();
  assert.equal(result.code, 1, result.stderr);
  assert.ok(result.stderr.includes(String(holder.address()?.port ?? '')), result.stderr);
});

test('listens on a unix socket that strangers cannot connect to', async () => {
  const socketPath = path.join(dir, 's');
  const s = await start({ flags: ['--listen', `unix:${socketPath}`] });
  await until('the socket', () => fs.existsSync(socketPath));
  assert.equal(fs.statSync(socketPath).mode & 0o007, 0);
  const status = await new Promise((resolve, reject) => {
    http.get({ socketPath, path: '/api/v1/capabilities', headers: { Authorization: `Bearer ${s.token}` } }, (res) => {
      res.resume();
      resolve(res.statusCode);
    }).on('error', reject);
  });
  assert.equal(status, 200);
});

test('SIGTERM and SIGINT are a clean stop, also with clients', async () => {
  for (const signal of ['SIGTERM', 'SIGINT']) {
    const s = await start();
    const agent = new http.Agent({ keepAlive: true });
    await new Promise((resolve, reject) => {
      http.get({ agent, port: s.port, host: '127.0.0.1', path: '/healthz' }, (res) => res.resume().on('end', resolve)).on('error', reject);
    });
    assert.deepEqual(await s.child.end(signal), { code: 0, signal: null });
    agent.destroy();
  }
});

test('the token is in no log line, and changes leave an audit line', async () => {
  const s = await start();
  await s.post('/api/v1/inmemory/populate', { table: 'public.very_secret_table' });
  await s.get('/api/v1/capabilities', { token: 'a'.repeat(48) });
  await s.stop();
  const log = s.child.stderr;
  assert.equal(log.includes('a'.repeat(48)), false);
  assert.equal(log.includes('very_secret_table'), false, 'arguments are hashed');
  const audit = log.split('\n').filter((line) => line.includes('/api/v1/inmemory/populate')).map((line) => JSON.parse(line.slice(line.indexOf('{'))));
  assert.equal(audit.length, 1);
  assert.ok(audit[0].principal);
  assert.match(JSON.stringify(audit[0]), /POST/);
});

test('runs as an ordinary user', () => {
  assert.notEqual(account.uid ?? process.getuid(), 0);
});

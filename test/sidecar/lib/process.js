// process.js - child processes of the tests: who they run as, how they end, and that none is left behind.

import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after } from 'node:test';

/** PostgreSQL refuses to run as root, so for root everything runs as this user; otherwise as ourselves. */
const SERVER_USER = process.env.STRATA_TEST_USER ?? 'postgres';

export const account = (() => {
  if (process.getuid() !== 0) return {};
  const id = (flag) => Number(execFileSync('id', [flag, SERVER_USER], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
})();

const children = new Set();
const directories = new Set();
const files = new Set();

/** A directory that the server user owns and that is removed at the end. */
export function temporaryDirectory(name) {
  // Short, because a Unix socket's path in it may have at most 107 bytes.
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), `strata-${name}-`));
  fs.chmodSync(dir, 0o755);
  if (account.uid !== undefined) fs.chownSync(dir, account.uid, account.gid);
  directories.add(dir);
  return dir;
}

export function removeAtEnd(file) {
  files.add(file);
}

/** Writes a file that the server user owns. */
export function writeOwned(file, content, mode = 0o600) {
  fs.writeFileSync(file, content, { mode });
  fs.chmodSync(file, mode);
  if (account.uid !== undefined) fs.chownSync(file, account.uid, account.gid);
  return file;
}

/** A running child: `pid`, collected `stdout` and `stderr`, `exited` (a promise of {code, signal}). */
export class Child {
  constructor(command, args, options = {}) {
    this.stdout = '';
    this.stderr = '';
    this.name = path.basename(command);
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...account, ...options });
    this.pid = this.child.pid;
    this.child.stdout?.setEncoding('utf8').on('data', (text) => { this.stdout += text; });
    this.child.stderr?.setEncoding('utf8').on('data', (text) => { this.stderr += text; });
    this.child.stdin?.on('error', () => {}); // the child may end before it has read everything
    children.add(this);
    this.exited = new Promise((resolve, reject) => {
      this.child.on('error', (error) => {
        children.delete(this);
        reject(error);
      });
      this.child.on('close', (code, signal) => {
        children.delete(this);
        this.status = { code, signal };
        resolve(this.status);
      });
    });
    this.exited.catch(() => {});
  }

  get running() {
    return this.status === undefined && this.pid !== undefined;
  }

  signal(name) {
    if (this.running) process.kill(this.pid, name);
  }

  /** Sends a signal and waits for the end. */
  async end(name = 'SIGTERM') {
    this.signal(name);
    return this.exited;
  }
}

/** Runs a command to its end: {code, signal, stdout, stderr}. */
export async function run(command, args, { input = '', ...options } = {}) {
  const child = new Child(command, args, options);
  child.child.stdin.end(input);
  const status = await child.exited;
  return { ...status, stdout: child.stdout, stderr: child.stderr };
}

/** As run, but anything other than exit code 0 is an error with what the command said. */
export async function mustRun(command, args, options) {
  const result = await run(command, args, options);
  if (result.code !== 0) {
    throw new Error(`${command} ${args.join(' ')}: exit ${result.code ?? result.signal}\n${result.stdout}\n${result.stderr}`);
  }
  return result.stdout;
}

// Whatever a failed test left, by the pids that were started here.
function endAll() {
  for (const child of children) {
    try {
      process.kill(child.pid, 'SIGCONT');
      process.kill(child.pid, child.lastSignal ?? 'SIGKILL');
    } catch {
      // already gone
    }
  }
}

// A child that nobody ended would keep this process waiting after its last test.
after(() => setTimeout(endAll, 10000).unref());

process.on('exit', () => {
  endAll();
  for (const file of files) fs.rmSync(file, { force: true });
  for (const dir of directories) fs.rmSync(dir, { recursive: true, force: true });
});
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => process.exit(1));

// stratad.js - a running stratad, on a port that the kernel chose.

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { request } from './http.js';
import { Child, temporaryDirectory } from './process.js';
import { until } from './wait.js';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const STRATAD = process.env.STRATAD ?? path.join(root, 'sidecar/stratad');
export const STRATA_TAIL = process.env.STRATA_TAIL ?? path.join(root, 'sidecar/strata-tail');

/** The memory checker to run stratad under (make asan builds need none): STRATA_TEST_WRAP="valgrind -q …". */
const wrap = (process.env.STRATA_TEST_WRAP ?? '').split(' ').filter(Boolean);

export class Stratad {
  /** pg: the Postgres to watch; or node: a conninfo.  Other options are flags. */
  static async start({ pg, node = pg?.conninfo(), ring, mutations = true, flags = [], dir = temporaryDirectory('d'), ready = Boolean(pg), listen = '127.0.0.1:0' } = {}) {
    const s = new Stratad();
    s.dir = dir;
    s.tokenFile = path.join(dir, 'token');
    s.args = ['--listen', listen, '--token-file', s.tokenFile];
    if (node) s.args.push('--node', `main=${node}`);
    if (ring) s.args.push('--ring', ring);
    if (mutations) s.args.push('--enable-mutations');
    s.args.push(...flags);
    await s.launch();
    if (ready) await s.waitReady();
    return s;
  }

  /** Starts the program, also again after it was ended; waits until it listens. */
  async launch() {
    if (!fs.existsSync(STRATAD)) throw new Error(`${STRATAD} is missing: run make -C sidecar first`);
    const command = [...wrap, STRATAD, ...this.args];
    this.child = new Child(command[0], command.slice(1), { cwd: this.dir });
    this.port = await until('stratad to say where it listens', () => {
      if (!this.child.running) throw new Error(`stratad ended: ${this.log}`);
      return Number(/127\.0\.0\.1:(\d+)/.exec(this.log)?.[1]);
    });
    // Printed at the first start only; kept for the later ones.
    this.token = /\b([0-9a-f]{48})\b/.exec(this.log)?.[1] ?? this.token;
    await until('stratad to answer', async () => (await request(this.port, 'GET', '/healthz')).status === 200);
  }

  get log() {
    return this.child.stdout + this.child.stderr;
  }

  waitReady() {
    return until('stratad to be ready', async () => {
      const answer = await this.get('/readyz');
      if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}\n${this.log}`);
      return answer;
    }, 30000);
  }

  request(method, path, options = {}) {
    return request(this.port, method, path, { token: this.token, ...options });
  }

  get(path, options) {
    return this.request('GET', path, options);
  }

  post(path, body, options = {}) {
    return this.request('POST', path, { body, ...options });
  }

  /** Ends it as an operator would; a stop that is not clean is an error. */
  async stop() {
    if (!this.child.running) return;
    const { code, signal } = await this.child.end('SIGTERM');
    if (code !== 0) throw new Error(`stratad ended with ${code ?? signal}:\n${this.log}`);
  }
}

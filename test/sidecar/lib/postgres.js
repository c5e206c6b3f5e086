// postgres.js - a throwaway PostgreSQL cluster with pg_strata preloaded.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { Child, mustRun, run, temporaryDirectory, writeOwned } from './process.js';
import { until } from './wait.js';

const pgConfig = process.env.PG_CONFIG ?? 'pg_config';
const ask = (what) => execFileSync(pgConfig, [what], { encoding: 'utf8' }).trim();
const bindir = ask('--bindir');
const program = (name) => path.join(bindir, name);

// Never reachable over TCP, so the number only names the socket file.
const PORT = 5432;

const SETTINGS = {
  shared_preload_libraries: 'pg_strata',
  listen_addresses: '',
  port: PORT,
  fsync: 'off',
  synchronous_commit: 'off',
  max_worker_processes: 16,
  max_connections: 40,
  'strata.memory_max': '512MB',
  'strata.memory': '256MB',
  // Tables are populated when a test says so, not when a worker finds them.
  'strata.auto_populate': 'off',
  autovacuum: 'off',
  log_min_messages: 'warning',
};

export class Postgres {
  /** A started cluster.  settings: more lines for postgresql.conf; database: its name. */
  static async create({ settings = {}, extension = true, database = 'shop' } = {}) {
    const library = path.join(ask('--pkglibdir'), 'pg_strata.so');
    if (!fs.existsSync(library)) throw new Error(`${library} is missing: run make install PG_CONFIG=${pgConfig} first`);
    const pg = new Postgres();
    pg.database = database;
    pg.dir = temporaryDirectory('pg');
    pg.data = path.join(pg.dir, 'data');
    await mustRun(program('initdb'), ['-D', pg.data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync', '--no-instructions'], { cwd: pg.dir });
    pg.configure({ ...SETTINGS, unix_socket_directories: pg.dir, ...settings });
    await pg.start();
    await pg.sql(`CREATE DATABASE ${database}`, { database: 'postgres' });
    if (extension) await pg.sql('CREATE EXTENSION pg_strata');
    return pg;
  }

  configure(settings) {
    const lines = Object.entries(settings).map(([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'\n`);
    const file = path.join(this.data, 'postgresql.conf');
    writeOwned(file, fs.readFileSync(file, 'utf8') + lines.join(''));
  }

  async start() {
    this.server = new Child(program('postgres'), ['-D', this.data], { cwd: this.dir });
    // SIGQUIT takes the postmaster's children along, SIGKILL leaves them to find out.
    this.server.lastSignal = 'SIGQUIT';
    await until('PostgreSQL to accept connections', async () => {
      if (!this.server.running) throw new Error(`PostgreSQL ended: ${this.server.stderr}`);
      return (await run(program('psql'), this.#psql({ database: 'postgres' }), { input: 'SELECT 1' })).code === 0;
    }, 60000);
  }

  /** mode: fast, immediate or smart. */
  async stop(mode = 'fast') {
    await this.server.end({ smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' }[mode]);
  }

  async restart() {
    await this.stop();
    await this.start();
  }

  async drop() {
    if (this.server.running) await this.stop('immediate');
  }

  conninfo({ user = 'postgres', database = this.database, options = '' } = {}) {
    return `host=${this.dir} port=${PORT} user=${user} dbname=${database} ${options}`.trim();
  }

  #psql({ user = 'postgres', database = this.database }) {
    return ['-X', '-A', '-t', '-q', '-v', 'ON_ERROR_STOP=1', '-h', this.dir, '-p', String(PORT), '-U', user, '-d', database, '-f', '-'];
  }

  /** Runs SQL; what it prints, without the last newline. */
  async sql(text, options = {}) {
    return (await mustRun(program('psql'), this.#psql(options), { input: text, cwd: this.dir })).replace(/\n$/, '');
  }

  /** The rows of one query as objects. */
  async rows(query, options) {
    return JSON.parse(await this.sql(`SELECT coalesce(json_agg(t), '[]') FROM (${query}) t`, options));
  }

  /** One value of one row. */
  async value(query, options) {
    const [row] = await this.rows(query, options);
    return row === undefined ? undefined : Object.values(row)[0];
  }

  /** A psql that stays, for locks and for load: write to it with send(), end it with end(). */
  session(options = {}) {
    const child = new Child(program('psql'), this.#psql(options), { cwd: this.dir });
    child.send = (text) => child.child.stdin.write(text);
    return child;
  }

  /** A table with ordinary columns, all visible, so that it can be copied whole. */
  async table(name, rows = 20000) {
    await this.sql(`
      CREATE TABLE ${name} (id int, kind text, amount numeric(10,2), day date);
      INSERT INTO ${name} SELECT i, (ARRAY['red','green','blue'])[1 + i % 3], i % 1000 + 0.25, date '2024-01-01' + i % 365
        FROM generate_series(1, ${rows}) i;`);
    await this.sql(`VACUUM (FREEZE, ANALYZE) ${name}`);
  }

  /** Enables and populates a table and returns when it is done. */
  async populate(name) {
    await this.sql(`SELECT strata.enable('${name}'); SELECT strata.populate('${name}')`);
  }
}

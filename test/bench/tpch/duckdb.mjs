// duckdb.mjs DATA SCHEMA: DuckDB with TPC-H's tables in memory, answering one request a line on standard input.
//
//   threads N            from now on so many threads
//   time RUNS NAME SQL   runs SQL once, then RUNS times; answers "NAME median-milliseconds"
//   answer FILE SQL      writes the answer to FILE, fields separated by '|', as psql -A -t does
//   store FILE           writes all tables into a compressed database file; answers its size in bytes
//   version
//
// SQL is JSON, so that it stays on its line.  Each answer ends with a line "ok", or "error MESSAGE".
import { readFileSync, writeFileSync, statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { DuckDBInstance } from '@duckdb/node-api'

const [data, schema] = process.argv.slice(2)
const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
const connection = await instance.connect()
const rows = async sql => (await connection.run(sql)).getRows()
const quoted = text => `'${text.replaceAll("'", "''")}'`
const tables = ['region', 'nation', 'supplier', 'part', 'partsupp', 'customer', 'orders', 'lineitem']

// Primary keys would cost DuckDB an index and win it nothing here; char(n) is not padded there.
await connection.run(readFileSync(schema, 'utf8').replace(/ PRIMARY KEY\b(?! \()/g, '').replace(/, PRIMARY KEY \([^)]*\)/g, ''))
for (const table of tables)
  await connection.run(`COPY ${table} FROM ${quoted(`${data}/${table}.tbl`)} (FORMAT csv, DELIMITER '|', HEADER false)`)

const median = times => {
  times.sort((a, b) => a - b)
  return (times[(times.length - 1) >> 1] + times[times.length >> 1]) / 2
}
const requests = {
  async threads(n) {
    await connection.run(`SET threads = ${Number(n)}`)
  },
  async time(runs, name, ...sql) {
    const query = JSON.parse(sql.join(' '))
    const times = []
    await rows(query)
    for (let run = 0; run < Number(runs); run++) {
      const begun = process.hrtime.bigint(), cpu = process.cpuUsage()
      await rows(query)
      const { user, system } = process.cpuUsage(cpu)
      times.push(process.env.CPU ? (user + system) / 1e3 : Number(process.hrtime.bigint() - begun) / 1e6)
    }
    console.log(`${name} ${median(times).toFixed(3)}`)
  },
  async answer(file, ...sql) {
    const got = await rows(JSON.parse(sql.join(' ')))
    writeFileSync(file, got.map(row => row.map(value => (value === null ? '' : String(value))).join('|') + '\n').join(''))
  },
  async store(file) {
    await connection.run(`ATTACH ${quoted(file)} AS stored`)
    for (const table of tables) await connection.run(`CREATE TABLE stored.${table} AS FROM ${table}`)
    await connection.run('CHECKPOINT stored')
    await connection.run('DETACH stored')
    console.log(statSync(file).size)
  },
  async version() {
    console.log((await rows('SELECT version()'))[0][0])
  },
}
for await (const line of createInterface({ input: process.stdin })) {
  const [request, ...words] = line.split(' ')
  try {
    await requests[request](...words)
    console.log('ok')
  } catch (error) {
    console.log(`error ${String(error.message ?? error).replaceAll('\n', ' ')}`)
  }
}

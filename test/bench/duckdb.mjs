// duckdb.mjs CSV QUERIES.json RUNS: loads the file into an in-memory DuckDB with one thread and prints its version, then
// the median milliseconds of each query, a line each.
import { readFileSync } from 'node:fs'
import { DuckDBInstance } from '@duckdb/node-api'

const [csv, queriesFile, runs] = process.argv.slice(2)
const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
const connection = await instance.connect()
await connection.run(`CREATE TABLE lineitem (
  l_orderkey BIGINT NOT NULL, l_partkey INTEGER NOT NULL, l_suppkey INTEGER NOT NULL, l_linenumber INTEGER NOT NULL,
  l_quantity DECIMAL(15,2) NOT NULL, l_extendedprice DECIMAL(15,2) NOT NULL, l_discount DECIMAL(15,2) NOT NULL,
  l_tax DECIMAL(15,2) NOT NULL, l_returnflag VARCHAR NOT NULL, l_linestatus VARCHAR NOT NULL, l_shipdate DATE NOT NULL,
  l_commitdate DATE NOT NULL, l_receiptdate DATE NOT NULL, l_shipinstruct VARCHAR NOT NULL, l_shipmode VARCHAR NOT NULL,
  l_comment VARCHAR NOT NULL)`)
await connection.run(`COPY lineitem FROM '${csv.replaceAll("'", "''")}' (FORMAT csv, HEADER false)`)
console.log((await (await connection.run('SELECT version()')).getRows())[0][0])

for (const query of JSON.parse(readFileSync(queriesFile, 'utf8'))) {
  const times = []
  await (await connection.run(query)).getRows()
  for (let run = 0; run < Number(runs); run++) {
    const begun = process.hrtime.bigint()
    await (await connection.run(query)).getRows()
    times.push(Number(process.hrtime.bigint() - begun) / 1e6)
  }
  times.sort((a, b) => a - b)
  console.log(((times[(times.length - 1) >> 1] + times[times.length >> 1]) / 2).toFixed(3))
}

// flights.mjs - writes vega-datasets' three million US flights to standard output as CSV, a running number first.
import { fileURLToPath } from 'node:url'
import { asyncBufferFromFile, parquetMetadataAsync, parquetRead } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'

const path = fileURLToPath(new URL('node_modules/vega-datasets/data/flights-3m.parquet', import.meta.url))
const file = await asyncBufferFromFile(path)
const metadata = await parquetMetadataAsync(file)
const columns = ['date', 'delay', 'distance', 'origin', 'destination']
const LINES = 20_000 // a write

let number = 0
for (const group of metadata.row_groups) {
  // A row group at a time: a smaller piece would decode its group again.
  const rowStart = number
  let rows
  await parquetRead({
    file, metadata, compressors, columns, rowStart, rowEnd: rowStart + Number(group.num_rows),
    onComplete: result => { rows = result },
  })
  let text = ''
  for (const [date, delay, distance, origin, destination] of rows) {
    const departure = date ? date.toISOString().slice(0, 19) : ''
    text += `${++number},${departure},${delay ?? ''},${distance ?? ''},${origin ?? ''},${destination ?? ''}\n`
    if (number % LINES === 0) {
      if (!process.stdout.write(text)) await new Promise(resolve => process.stdout.once('drain', resolve))
      text = ''
    }
  }
  process.stdout.write(text)
}

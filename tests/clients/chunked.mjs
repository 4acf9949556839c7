// A file in chunks of so many bytes, read from a stream whose length is known; with "buffer" from memory.
import { createReadStream, readFileSync, statSync } from 'node:fs'
import { more, path, report, run } from './common.mjs'

const accepted = []
const upload = await run(more.includes('buffer') ? readFileSync(path) : createReadStream(path), {
  uploadSize: statSync(path).size,
  chunkSize: Number(more[0]),
  onChunkComplete: (chunkSize, bytesAccepted) => accepted.push(bytesAccepted),
})
report(upload, { accepted })

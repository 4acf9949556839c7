// A file in chunks of so many bytes, read from a stream whose length is known.
import { createReadStream, statSync } from 'node:fs'
import { more, path, report, run } from './common.mjs'

const accepted = []
const upload = await run(createReadStream(path), {
  uploadSize: statSync(path).size,
  chunkSize: Number(more[0]),
  onChunkComplete: (chunkSize, bytesAccepted) => accepted.push(bytesAccepted),
})
report(upload, { accepted })

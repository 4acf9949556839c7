// A file whose SHA-256 is told at the creation: the server may have it already. A client that does not look at the
// offset that comes with the 201 begins to send, is told where it is (409), asks (HEAD) and is done.
import { readFileSync } from 'node:fs'
import { more, path, report, run } from './common.mjs'

const [sha256, way] = more

report(
  await run(readFileSync(path), {
    metadata: { filename: 'known.bin', sha256 },
    uploadDataDuringCreation: way === 'during-creation',
    retryDelays: [10],
  }),
)

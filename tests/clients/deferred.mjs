// A stream of unknown length: the length is told with the last chunk.
import { createReadStream } from 'node:fs'
import { PassThrough } from 'node:stream'
import { more, path, report, run } from './common.mjs'

// Through a pipe, so that the client cannot look up the size of the file.
const stream = createReadStream(path).pipe(new PassThrough())
report(await run(stream, { uploadLengthDeferred: true, chunkSize: Number(more[0]) }))

// A file in several uploads at once, which the server joins.
import { createReadStream } from 'node:fs'
import { more, path, report, run } from './common.mjs'

report(await run(createReadStream(path), { parallelUploads: Number(more[0]), metadataForPartialUploads: { part: 'yes' } }))

// Aborts an upload for good, once while it is on its way and once when it is complete.
import { readFileSync } from 'node:fs'
import { Upload } from 'tus-js-client'
import { path, report, run } from './common.mjs'

const content = readFileSync(path)
const begun = await run(content, {}, { pause: (bytesSent) => bytesSent >= content.length / 3 && bytesSent < content.length })
await begun.abort(true)
const completed = await run(content, {})
await Upload.terminate(completed.url, { retryDelays: null })
report(begun, { completed: completed.url })

// A file in one body, tried again as often and as late as the client does by itself.
import { readFileSync } from 'node:fs'
import { defaultOptions } from 'tus-js-client'
import { path, report, run } from './common.mjs'

report(await run(readFileSync(path), { retryDelays: defaultOptions.retryDelays }))

// A file in one body; with "during-creation" its bytes come with the POST, with "override" the PATCH goes as a POST.
import { readFileSync } from 'node:fs'
import { more, path, report, run } from './common.mjs'

report(
  await run(readFileSync(path), {
    uploadDataDuringCreation: more.includes('during-creation'),
    overridePatchMethod: more.includes('override'),
  }),
)

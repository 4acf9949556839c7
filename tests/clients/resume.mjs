// Another process finds what pause.mjs left and goes on from the server's offset.
import { readFileSync } from 'node:fs'
import { FileUrlStorage, Upload } from 'tus-js-client'
import { endpoint, more, path, report, run } from './common.mjs'

const content = readFileSync(path)
const urlStorage = new FileUrlStorage(more[0])
const [previous] = await new Upload(content, { endpoint, urlStorage }).findPreviousUploads()
if (!previous) throw new Error('the interrupted upload was not found again')
let first
const upload = await run(
  content,
  {
    urlStorage,
    onProgress: (bytesSent) => {
      first ??= bytesSent
    },
  },
  { previous },
)
report(upload, { first, previous: previous.uploadUrl })

// Pauses in the middle of a body and ends; the address of the upload is kept in a file for resume.mjs.
import { readFileSync } from 'node:fs'
import { FileUrlStorage } from 'tus-js-client'
import { more, path, report, run } from './common.mjs'

const content = readFileSync(path)
let sent = 0
const upload = await run(
  content,
  // In chunks: of one body a fast server may take all before the first report of progress.
  { urlStorage: new FileUrlStorage(more[0]), storeFingerprintForResuming: true, chunkSize: 4_000_000 },
  {
    pause: (bytesSent) => {
      sent = bytesSent
      return bytesSent >= content.length / 3 && bytesSent < content.length
    },
  },
)
report(upload, { sent, size: content.length })

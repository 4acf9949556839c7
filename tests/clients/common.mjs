// What the scripts for tus-js-client share: their arguments, a promise around an upload, one line of JSON at the end.
// Every script is called as `node <script> <endpoint> <file> [more]` and says what it saw; the judging is done in Python.
// TUS_PROTOCOL names another protocol than tus 1.0.0.
import { randomUUID } from 'node:crypto'
import { Upload } from 'tus-js-client'

export const [endpoint, path, ...more] = process.argv.slice(2)

// The client's errors carry their whole request; the message says enough.
process.on('uncaughtException', (error) => {
  console.error(error.message)
  process.exit(1)
})

/** What the client asked and was answered, as [method, status] pairs, in the order of the answers. */
export const requests = []

/**
 * Start `source` on its way, or go on with `previous`. Resolves with the upload: done, or aborted by `pause`.
 * `pause(bytesSent)` is asked at every progress; true aborts the upload as a user's pause would.
 */
export function run(source, options, { previous, pause } = {}) {
  return new Promise((resolve, reject) => {
    const upload = new Upload(source, {
      endpoint,
      metadata: { filename: 'słońce ☀.bin', filetype: 'application/x-own', bare: '' },
      headers: { 'X-Request-Id': randomUUID() },
      retryDelays: null, // a retry would hide what went wrong the first time
      onAfterResponse: (request, response) => {
        requests.push([request.getMethod(), response.getStatus()])
      },
      ...(process.env.TUS_PROTOCOL && { protocol: process.env.TUS_PROTOCOL }),
      onError: reject,
      onSuccess: () => resolve(upload),
      onProgress: async (bytesSent) => {
        if (!pause?.(bytesSent)) return
        await upload.abort()
        resolve(upload)
      },
      ...options,
    })
    if (previous) upload.resumeFromPreviousUpload(previous)
    upload.start()
  })
}

export function report(upload, facts = {}) {
  console.log(JSON.stringify({ url: upload.url, requests, ...facts }))
}

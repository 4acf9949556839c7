/** Server-sent events by fetch: unlike an EventSource it sends headers, so no ticket is needed. */

import { backoff } from "./backoff.js";

/**
 * Call `hear({event, data, id})` for each, `data` parsed; after a cut it goes on behind the last one. Returns how to stop.
 */
export function listen(server, path, { headers = {}, hear, opened = () => {} }) {
  const stopping = new AbortController();
  const state = { lastId: "" };
  run(server, path, { headers, hear, opened, state, signal: stopping.signal });
  return () => stopping.abort();
}

async function run(server, path, how) {
  for (let attempt = 1; !how.signal.aborted; attempt += 1) {
    try {
      await once(server, path, how);
      attempt = 1;
    } catch {
      if (how.signal.aborted) return;
    }
    await new Promise((resolve) => setTimeout(resolve, backoff(attempt, { first: 1000 })));
  }
}

async function once(server, path, { headers, hear, opened, state, signal }) {
  const known = state.lastId ? { "Last-Event-ID": state.lastId } : {};
  const answer = await fetch(server.url(path), { headers: { ...headers, ...server.headers(), ...known }, signal });
  if (!answer.ok) throw new Error(`GET: ${answer.status}`);
  opened();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) tell(block, hear, state);
  }
}

function tell(block, hear, state) {
  const fields = {};
  for (const line of block.split(/\r?\n/)) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name) fields[name] = name in fields ? `${fields[name]}\n${value}` : value;
  }
  if (fields.id) state.lastId = fields.id;
  if (fields.data) hear({ event: fields.event, data: JSON.parse(fields.data), id: fields.id });
}

// node ws_broadcast.mjs PORT SOCKETS: one message to all, flat out, once SOCKETS are open.
import { WebSocketServer } from "ws";

const [port, sockets] = process.argv.slice(2).map(Number);
const MOST_UNREAD_BYTES = 1 << 20;
const server = new WebSocketServer({ host: "127.0.0.1", port, perMessageDeflate: false, backlog: 4096 });

// As long as ours, with the same fields.
const message = (offset) =>
  JSON.stringify({
    type: "upload.progress",
    sequence: Date.now() * 1000,
    time: "2026-12-01T12:00:00.000Z",
    upload_id: "01890a5d-ac96-774b-bcce-b302099a8057",
    filename: "body.bin",
    offset,
    length: 2 ** 30,
    percent: 12.5,
    bytes_per_second: 36864,
    eta_seconds: 29127,
    state: "uploading",
  });

let offset = 0;
function broadcast() {
  const text = Buffer.from(message((offset += 4096)));
  for (const client of server.clients)
    if (client.bufferedAmount < MOST_UNREAD_BYTES) client.send(text, { binary: false });
  setImmediate(broadcast);
}

server.on("connection", () => {
  if (server.clients.size === sockets) broadcast();
});

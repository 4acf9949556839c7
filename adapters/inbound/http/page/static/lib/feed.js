/** Live progress from the server over one WebSocket: which bytes of which upload are durable. */

import { backoff } from "./backoff.js";

const LONGEST_DELAY = 20_000;
const PING_EVERY = 25_000;
const PONG_WITHIN = 10_000;
/** Only a connection that lasted resets the backoff: a server that accepts and drops us is not hammered. */
const STEADY_AFTER = 5000;
/** What is subscribed to together goes in one message: the server takes a hundred of these a second. */
const GATHER = 50;
const IN_ONE_MESSAGE = 100;

export class ProgressFeed extends EventTarget {
  #server;
  #socket = null;
  #asking = false;
  #listeners = new Map();
  #attempts = 0;
  #openedAt = Infinity;
  #reconnect = null;
  #heartbeat = null;
  #overdue = null;
  /** Hears of all uploads of the caller, if anybody does. */
  #listenerOfAll = null;
  /** What was told last of each upload that somebody listens to: the server tells it once, and who comes later wants it. */
  #latest = new Map();
  /** Ids whose subscription the server has not been told of, and those whose end. */
  #wanted = new Set();
  #unwanted = new Set();
  #telling = null;

  /** Fires `open` whenever a connection comes up, `away` when one is lost. */
  constructor(server) {
    super();
    this.#server = server;
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
  }

  get live() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Call `listener(event)` for a snapshot of `uploadId`, or an `error` if there is none, and all that follows. */
  subscribe(uploadId, listener) {
    this.#listeners.set(uploadId, listener);
    this.#unwanted.delete(uploadId);
    this.#wanted.add(uploadId);
    this.#tellSoon();
  }

  unsubscribe(uploadId) {
    if (!this.#listeners.delete(uploadId)) return;
    this.#latest.delete(uploadId);
    if (this.#wanted.delete(uploadId)) return; // nobody has been told of it yet
    this.#unwanted.add(uploadId);
    this.#tellSoon();
  }

  /** Call `listener(event)` for whatever the caller's uploads do; null: no more. */
  subscribeToAll(listener) {
    const action = listener ? "subscribe" : "unsubscribe";
    this.#listenerOfAll = listener;
    if (listener) for (const event of this.#latest.values()) listener(event);
    if (this.live) this.#send({ action, scope: "mine" });
    else this.#connect();
  }

  #tellSoon() {
    if (this.live) this.#telling ??= setTimeout(() => this.#tell(), GATHER);
    else this.#connect();
  }

  #tell() {
    this.#telling = null;
    if (!this.live) return;
    for (const [action, ids] of Object.entries({ subscribe: this.#wanted, unsubscribe: this.#unwanted })) {
      const all = [...ids];
      for (let at = 0; at < all.length; at += IN_ONE_MESSAGE) {
        this.#send({ action, upload_ids: all.slice(at, at + IN_ONE_MESSAGE) });
      }
      ids.clear();
    }
  }

  async #connect() {
    const isAsked = this.#listeners.size > 0 || this.#listenerOfAll !== null;
    if (this.#socket || this.#asking || this.#reconnect || !isAsked) return;
    this.#asking = true;
    const url = await this.#server.socket("ws/progress").catch(() => null);
    this.#asking = false;
    if (url === null) return this.#tryLater();
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onopen = () => {
      this.#openedAt = performance.now();
      this.#subscribeAgain();
      this.#heartbeat = setInterval(() => this.#ping(), PING_EVERY);
      this.dispatchEvent(new Event("open"));
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = () => this.#lost(socket);
  }

  #subscribeAgain() {
    this.#wanted = new Set(this.#listeners.keys());
    this.#unwanted.clear();
    this.#tell();
    if (this.#listenerOfAll) this.#send({ action: "subscribe", scope: "mine" });
  }

  #receive(data) {
    clearTimeout(this.#overdue);
    let event;
    try {
      event = JSON.parse(data);
    } catch {
      return;
    }
    if (!event?.upload_id) return;
    const listener = this.#listeners.get(event.upload_id);
    if (listener && event.type.startsWith("upload.")) this.#latest.set(event.upload_id, event);
    listener?.(event);
    this.#listenerOfAll?.(event);
  }

  /** A connection that died silently (sleep, a changed network) shows itself by a missing pong only. */
  #ping() {
    this.#send({ action: "ping" });
    const socket = this.#socket;
    clearTimeout(this.#overdue);
    this.#overdue = setTimeout(() => {
      socket.close();
      this.#lost(socket);
    }, PONG_WITHIN);
  }

  #lost(socket) {
    if (socket !== this.#socket) return;
    socket.onclose = null;
    this.#socket = null;
    clearInterval(this.#heartbeat);
    clearTimeout(this.#overdue);
    if (performance.now() - this.#openedAt > STEADY_AFTER) this.#attempts = 0;
    this.#openedAt = Infinity;
    this.#tryLater();
    this.dispatchEvent(new Event("away"));
  }

  #tryLater() {
    this.#attempts += 1;
    this.#reconnect = setTimeout(() => this.#retryNow(), backoff(this.#attempts, { longest: LONGEST_DELAY }));
  }

  /** The server has been heard of: no need to wait for the next attempt. */
  hurry() {
    if (this.#reconnect) this.#retryNow();
  }

  #retryNow() {
    clearTimeout(this.#reconnect);
    this.#reconnect = null;
    this.#connect();
  }

  #send(message) {
    this.#socket.send(JSON.stringify(message));
  }
}

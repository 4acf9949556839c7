/** Live progress from the server over one WebSocket: which bytes of which upload are durable. */

import { backoff } from "./backoff.js";
import { isSignedIn, withTicket } from "./identity.js";

const LONGEST_DELAY = 20_000;
const PING_EVERY = 25_000;
const PONG_WITHIN = 10_000;
/** Only a connection that lasted resets the backoff: a server that accepts and drops us is not hammered. */
const STEADY_AFTER = 5000;

export class ProgressFeed extends EventTarget {
  #url;
  #tickets;
  #socket = null;
  #asking = false;
  #listeners = new Map();
  #attempts = 0;
  #openedAt = Infinity;
  #reconnect = null;
  #heartbeat = null;
  #overdue = null;

  /** Fires `open` whenever a connection comes up, `away` when one is lost. */
  constructor(url, tickets) {
    super();
    this.#url = url;
    this.#tickets = tickets;
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
  }

  get live() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Call `listener(event)` for a snapshot of `uploadId`, or an `error` if there is none, and all that follows. */
  subscribe(uploadId, listener) {
    this.#listeners.set(uploadId, listener);
    if (this.live) this.#send({ action: "subscribe", upload_ids: [uploadId] });
    else this.#connect();
  }

  unsubscribe(uploadId) {
    if (!this.#listeners.delete(uploadId)) return;
    if (this.live) this.#send({ action: "unsubscribe", upload_ids: [uploadId] });
  }

  async #connect() {
    if (this.#socket || this.#asking || this.#reconnect || this.#listeners.size === 0) return;
    let url = this.#url;
    if (isSignedIn()) {
      this.#asking = true;
      url = await withTicket(url, this.#tickets).catch(() => null);
      this.#asking = false;
    }
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
    const ids = [...this.#listeners.keys()];
    for (let at = 0; at < ids.length; at += 100) {
      this.#send({ action: "subscribe", upload_ids: ids.slice(at, at + 100) });
    }
  }

  #receive(data) {
    clearTimeout(this.#overdue);
    let event;
    try {
      event = JSON.parse(data);
    } catch {
      return;
    }
    this.#listeners.get(event?.upload_id)?.(event);
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

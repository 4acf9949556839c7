/** The caller's instructions and what becomes of their files: asked for once, then followed by notifications. */

import { signal } from "../lib/html.js";
import { listen } from "../lib/event_stream.js";
import { Pacer } from "../lib/pacer.js";

const SHOWN = 30;
const GATHER = 300;
/** Where notifications don't get through, what is not over is looked at. */
const LOOK_EVERY = 10_000;
const OVER = ["DONE", "FAILED"];

export class Instructions {
  #page;
  #pacer = new Pacer();
  #stale = new Set();
  #timer = null;
  products = signal([]);
  /** `{instruction, details}`, the newest first; `details` are pairs `{input, output}`, null before they are known. */
  batches = signal([]);
  isKnown = signal(false);
  /** The answer to what did not work; and those to files that were refused, each with its `name`. */
  trouble = signal(null);
  refused = signal([]);

  constructor(page) {
    this.#page = page;
  }

  #ask(path, how = {}) {
    return this.#page.server.ask(path, { ...how, headers: this.#page.me.name });
  }

  /** Returns how to stop following them. */
  begin() {
    this.load();
    const stop = listen(this.#page.server, "notifications/sse", {
      headers: this.#page.me.name,
      opened: () => this.isKnown.value || this.load(), // the server is back
      hear: ({ event, data }) => event === "instruction.detail" && this.#later(data.instruction_id),
    });
    const looking = setInterval(() => {
      for (const { instruction } of this.batches.value) if (!OVER.includes(instruction.status)) this.#later(instruction.id);
    }, LOOK_EVERY);
    return () => {
      stop();
      clearInterval(looking);
      clearTimeout(this.#timer);
    };
  }

  async load() {
    const [products, told] = await Promise.all([this.#ask("products"), this.#ask(`instructions?limit=${SHOWN}`)]);
    this.trouble.value = told.ok ? null : told;
    if (products.ok) this.products.value = products.data.data.products;
    if (!told.ok) return;
    this.isKnown.value = true;
    this.batches.value = told.data.data.instructions.map((instruction) => ({ instruction, details: null }));
    for (const { instruction } of this.batches.value.slice(0, 3)) this.look(instruction.id);
  }

  /** Several changes of one instruction are one question. */
  #later(id) {
    this.#stale.add(id);
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      const ids = [...this.#stale];
      this.#stale.clear();
      for (const one of ids) this.look(one);
    }, GATHER);
  }

  async look(id) {
    await this.#pacer.turn();
    const [one, all] = await Promise.all([this.#ask(`instructions/${id}`), this.#ask(`instructions/${id}/details`)]);
    if (!one.ok || !all.ok) return;
    this.#put({ instruction: one.data.data.instruction, details: paired(all.data.data.details) });
  }

  #put(batch) {
    const others = this.batches.value.filter(({ instruction }) => instruction.id !== batch.instruction.id);
    const at = this.batches.value.findIndex(({ instruction }) => instruction.id === batch.instruction.id);
    this.batches.value = at < 0 ? [batch, ...others] : others.toSpliced(at, 0, batch);
  }

  /**
   * A new one for `files` (from the device) and `stored` ones. Resolves to those of both that may go better next time;
   * all, where it could not even be begun.
   */
  async make(product, parameters, { files, stored }) {
    const made = await this.#ask("instructions", { method: "POST", json: { product_id: product.key, parameters } });
    this.trouble.value = made.ok ? null : made;
    this.refused.value = [];
    if (!made.ok) return { files, stored };
    const { instruction } = made.data.data;
    this.#put({ instruction, details: [] });
    const refused = [];
    const left = { files: [], stored: [] };
    const asked = [
      ...files.map((file) => ({ file, among: left.files, body: formOf(file) })),
      ...stored.map((file) => ({ file, among: left.stored, json: { file_id: file.id } })),
    ];
    for (const { file, among, ...how } of asked) {
      const answer = await this.#ask(`instructions/${instruction.id}/details`, { method: "POST", ...how, within: 600_000 });
      if (!answer.ok) refused.push({ ...answer, name: file.name });
      if (isPassing(answer)) among.push(file);
      this.#later(instruction.id);
    }
    this.refused.value = refused;
    return left;
  }
}

const isPassing = ({ status }) => status === 0 || status === 429 || status >= 500;

function formOf(file) {
  const body = new FormData();
  body.append("file", file);
  return body;
}

/** Inputs with what comes of them. */
function paired(details) {
  const byId = new Map(details.map((detail) => [detail.id, detail]));
  return details.filter(({ output_id: output }) => output).map((input) => ({ input, output: byId.get(input.output_id) }));
}

/** Questions and other dialogs of one page: the browser's own `<dialog>`, which keeps the focus and gives it back. */

import { html, useEffect, useRef, useSignal } from "./html.js";

/** Open as long as it is rendered; `onClose` hears how it ended (Escape: ""). */
export function Dialog({ title, class: more = "", onClose, children }) {
  const node = useRef(null);
  useEffect(() => {
    node.current.showModal();
    return () => node.current?.close();
  }, []);
  const id = useRef(`dialog-${(counted += 1)}`).current;
  const byBackdrop = (event) => event.target === node.current && node.current.close("");
  return html`<dialog ref=${node} class="dialog ${more}" aria-labelledby=${id} onClose=${() => onClose(node.current.returnValue)} onClick=${byBackdrop}>
    <div class="dialog-body"><h2 id=${id}>${title}</h2>${children}</div>
  </dialog>`;
}

let counted = 0;

/** One question at a time: `ask({title, text, keep, act})` resolves to whether the act was chosen; null: it was not. */
export class Questions {
  #show = null;

  ask(question) {
    return new Promise((resolve) => this.#show?.({ ...question, resolve }) ?? resolve(false));
  }

  /** Rendered once, somewhere in the page. */
  Place = () => {
    const asked = useSignal(null);
    const node = useRef(null);
    this.#show = (question) => {
      asked.value = question;
      node.current.returnValue = "";
      queueMicrotask(() => node.current.showModal());
      return true;
    };
    const { title = "", text = "", keep = "", act = "" } = asked.value ?? {};
    const over = () => asked.value?.resolve(node.current.returnValue === "act");
    return html`<dialog ref=${node} class="dialog" aria-labelledby="question-title" aria-describedby="question-text" onClose=${over}>
      <form class="dialog-body" method="dialog">
        <h2 id="question-title">${title}</h2>
        <p id="question-text">${text}</p>
        <div class="dialog-acts">
          <button class="button" value="" autofocus>${keep}</button>
          <button class="button danger" value="act">${act}</button>
        </div>
      </form>
    </dialog>`;
  };
}

/** Style sheets that are fetched with what wears them. */

/** Into `root`, a document's head or a shadow root. Resolves once it is there, or can't be had: then it is plain. */
export function withStyle(name, root) {
  const href = new URL(`../css/${name}.css`, import.meta.url).href;
  if (root.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  return new Promise((resolve) => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
    link.onload = link.onerror = () => resolve();
    root.append(link);
  });
}

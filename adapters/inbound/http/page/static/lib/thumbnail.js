/** A picture over its tile. It shows itself once it has loaded; what can't be had is not missed. */

import { html, useEffect, useRef, useState } from "./html.js";

/** `path(size)` leads to the thumbnail; `large`: for a gallery rather than a row. */
export function Thumbnail({ server, path, alt, large = false }) {
  const [source, setSource] = useState(null);
  const [isGone, setGone] = useState(false);
  const node = useRef(null);
  useEffect(() => {
    if (!server.isSignedIn) {
      setSource({ src: server.url(path(large ? 300 : 100)), srcset: large ? undefined : `${server.url(path(300))} 2x` });
      return undefined;
    }
    let isLeft = false;
    server.showable(path(300)).then(
      (src) => (isLeft ? URL.revokeObjectURL(src) : setSource({ src })),
      () => setGone(true),
    );
    return () => (isLeft = true);
  }, [path(300)]);
  const loaded = () => source?.src.startsWith("blob:") && URL.revokeObjectURL(source.src);
  return (
    source &&
    html`<img ref=${node} class="thumbnail" width="100" height="100" loading="lazy" decoding="async" alt=${alt} hidden=${isGone}
      srcset=${source.srcset} src=${source.src} onLoad=${loaded} onError=${() => setGone(true)} />`
  );
}

/** Where files come from: the chooser, a drop (folders are walked), a paste. All give `{file, handle, path}`. */

/** What systems leave in folders for themselves; nobody means it when they drop one. */
const LITTER = /^(\.DS_Store|\._.*|\.localized|Thumbs\.db|ehthumbs\.db|desktop\.ini)$/i;

/** `path` is the folder part of a walked folder, "" otherwise; `handle` lets a later page read a large file again. */
const picked = (file, { handle = null, path = "" } = {}) => ({ file, handle, path });

export function fromInput(input) {
  return tidy([...input.files].map((file) => picked(file, { path: parent(file.webkitRelativePath) })));
}

/** Without what lies in folders unasked; whoever chooses such a file by itself does mean it. */
const tidy = (picks) => picks.filter(({ file, path }) => !path || !LITTER.test(file.name));

export function fromClipboard(event) {
  return [...(event.clipboardData?.files ?? [])].map((file) => picked(file));
}

/** Must be called inside the event: the items are gone after the first await. */
export function fromDrop(event) {
  const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
  return Promise.all(items.map(open)).then((opened) => Promise.all(opened.map(walk))).then((lists) => tidy(lists.flat()));
}

async function open(item) {
  const file = item.getAsFile();
  const entry = item.webkitGetAsEntry?.() ?? null;
  const handle = item.getAsFileSystemHandle?.().catch(() => null) ?? null; // asked before the first await
  return { file, entry, handle: await handle };
}

async function walk({ file, entry, handle }) {
  if (handle?.kind === "directory") return walkHandle(handle, handle.name);
  if (entry?.isDirectory) return walkEntry(entry, entry.name);
  return file ? [picked(file, { handle })] : [];
}

async function walkHandle(folder, path) {
  const found = [];
  for await (const child of folder.values()) {
    if (child.kind === "directory") found.push(...(await walkHandle(child, `${path}/${child.name}`)));
    else found.push(picked(await child.getFile(), { handle: child, path }));
  }
  return found;
}

async function walkEntry(folder, path) {
  const found = [];
  const reader = folder.createReader();
  for (;;) {
    const children = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (children.length === 0) return found; // readEntries gives a hundred at a time, then none
    for (const child of children) {
      if (child.isDirectory) found.push(...(await walkEntry(child, `${path}/${child.name}`)));
      else found.push(picked(await new Promise((resolve, reject) => child.file(resolve, reject)), { path }));
    }
  }
}

function parent(relativePath) {
  return relativePath ? relativePath.slice(0, relativePath.lastIndexOf("/")) : "";
}

/** The file behind a kept handle: null while the person has not allowed it (again), or when it is gone. */
export async function fromHandle(handle, { ask = false } = {}) {
  try {
    const wish = { mode: "read" };
    const granted = ask ? await handle.requestPermission(wish) : await handle.queryPermission(wish);
    return granted === "granted" ? await handle.getFile() : null;
  } catch {
    return null;
  }
}

/** False once the file was changed, moved or deleted on disk: the browser then refuses to read it. */
export async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

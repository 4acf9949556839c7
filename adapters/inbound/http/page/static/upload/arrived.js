/** A small file goes in one request. Was its answer lost, it may have arrived: then it is not to be there twice. */

/** `Date` has whole seconds, and the two clocks tick at their own times. */
const SLACK = 2000;
const ANSWERS_WITHIN = 5000;

/**
 * The URL of a file of its name, place and size that the server has had since then (by `performance.now()`, first tried);
 * null where there is none, or nobody can tell.
 */
export async function arrivedSince(then, { name, path, size }, server) {
  const query = new URLSearchParams({ state: "completed", name, limit: "20" });
  const { ok, data, date } = await server.ask(`uploads?${query}`, { within: ANSWERS_WITHIN });
  if (!ok) return null;
  const since = date - (performance.now() - then) - SLACK;
  const wholePath = path ? `${path}/${name}` : "";
  const isIt = (file) =>
    file.name === name && file.size === size && (file.path || "") === wholePath && Date.parse(file.created_at) >= since;
  const found = data.uploads.find(isIt);
  return found ? server.url(`uploads/${found.id}`) : null;
}

/** Links to files that somebody else can open, too. */

/** The file's own where it opens for everybody, else a signed one: never one that only its maker can open. */
export async function openable(server, id, { opensForAll }, { visibility = "private" } = {}) {
  if (opensForAll || visibility === "public") return server.url(`files/${id}/content`);
  const { url } = await signed(server, id);
  return url;
}

/**
 * `{url, expiresAt}` of a link that is good for so many seconds (null: as long as there are any, seven days);
 * `isSaved`: by which it is saved, whatever it is.
 */
export async function signed(server, id, { seconds = null, isSaved = false } = {}) {
  const asked = new URLSearchParams({ ...(seconds && { seconds: String(seconds) }), ...(isSaved && { disposition: "attachment" }) });
  const { ok, data } = await server.ask(`files/${id}/links?${asked}`, { method: "POST" });
  if (!ok) throw new Error("no link");
  return { url: whole(server, `files/${id}/content`, data.url), expiresAt: data.expires_at };
}

/** A link as it was given for `path`. Below a proxy's path it may lead elsewhere; with PUBLIC_URL it is meant as it is. */
export function whole(server, path, url) {
  return /^https?:/.test(url) ? url : server.url(path) + new URL(url, server.base).search;
}

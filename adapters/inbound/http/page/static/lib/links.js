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
  // Below a proxy's path the server's own may lead elsewhere; with PUBLIC_URL it is meant as it is.
  const isWhole = /^https?:/.test(data.url);
  const url = isWhole ? data.url : server.url(`files/${id}/content`) + new URL(data.url, server.base).search;
  return { url, expiresAt: data.expires_at };
}

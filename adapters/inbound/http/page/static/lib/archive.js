/** Several stored files as one ZIP: the server makes a link to it, which the browser saves by itself. */

import { t } from "./i18n.js";
import { whole } from "./links.js";
import { sentence } from "./server.js";

/**
 * @param {any} page
 * @param {string[]} ids
 */
export async function saveArchive({ server, tell }, ids) {
  const answer = await server.ask("files/archive", { method: "POST", json: { ids } });
  if (answer.ok) location.assign(whole(server, "files/archive", answer.data.url));
  else tell(sentence(answer));
}

/** Who uploads, where the server wants to know (AUTH_MODE=jwt): a token that the person pastes, or whoever embeds the page. */

const KEY = "longshore.token";
const ASKED_WITHIN = 10_000;

/** For this tab alone, and gone with it. */
function token() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null; // storage is off: then the person is asked, in vain
  }
}

export const isSignedIn = () => Boolean(token());

/** The headers that say who it is. */
export const identity = () => (isSignedIn() ? { Authorization: `Bearer ${token()}` } : {});

/** The form that asks for a token comes up where an answer says that one is wanted: `wayIn` is its WWW-Authenticate. */
export function heed(status, wayIn) {
  if (status === 401 && /^Bearer\b/i.test(wayIn ?? "")) document.getElementById("sign-in").hidden = false;
}

/** Have `goOn()` called once the person has signed in. */
export function listenForToken(goOn) {
  const form = document.getElementById("sign-in");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEY, document.getElementById("token").value.trim());
    form.reset();
    form.hidden = true;
    goOn();
  });
}

/** A WebSocket is opened without headers: a ticket, good once, stands in its URL instead of the token. */
export async function withTicket(url, endpoint) {
  const { ticket } = await asked(endpoint);
  return `${url}?ticket=${encodeURIComponent(ticket)}`;
}

/** The link to a file that opens for whoever has it: the file's own, or, of one who has signed in, a signed one. */
export async function openable(content) {
  if (!isSignedIn()) return content;
  const { url } = await asked(content.replace(/content$/, "links"));
  return content + new URL(url, content).search;
}

/** Where a picture can be shown from: an `<img>` sends no headers either. */
export async function showable(url) {
  const answer = await fetch(url, { headers: identity(), signal: AbortSignal.timeout(ASKED_WITHIN) });
  if (!answer.ok) throw new Error(`GET: ${answer.status}`);
  return URL.createObjectURL(await answer.blob());
}

async function asked(endpoint) {
  const answer = await fetch(endpoint, {
    method: "POST",
    headers: identity(),
    signal: AbortSignal.timeout(ASKED_WITHIN),
  });
  heed(answer.status, answer.headers.get("WWW-Authenticate"));
  if (!answer.ok) throw new Error(`POST: ${answer.status}`);
  return answer.json();
}

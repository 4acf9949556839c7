/** How long to wait before an attempt: longer each time; with jitter, as a server that is back meets many pages. */
export function backoff(attempt, { first = 500, longest = 30_000 } = {}) {
  return Math.min(longest, first * 2 ** (attempt - 1)) * (0.75 + Math.random() / 2);
}

/* ws_storm PORT PATH SOCKETS SNAPSHOTS
 *
 * SOCKETS WebSockets at PATH, which names what each of them watches, all connecting at once; each is done when it
 * has been told SNAPSHOTS snapshots. Prints as JSON the seconds from the first connect to the last snapshot, the median
 * and the 99th percentile of the sockets' times, and the errors.
 */
#define _GNU_SOURCE
#include "watchers.h"

enum { PATIENCE_SECONDS = 100 };

static int wanted;

static void take_message(struct client *client, const char *text, size_t size)
{
    if (!text)
        return;
    if (!memmem(text, size, "\"upload.snapshot\"", 17))
        end(client, "something else than a snapshot was told");
    else if (++client->snapshots == wanted)
        end(client, NULL);
}

static int by_size(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return a < b ? -1 : a > b;
}

int main(int count, char **words)
{
    if (count != 5)
        return 2;
    port = atoi(words[1]), sockets = atoi(words[3]), wanted = atoi(words[4]);
    connect_all(words[2]);
    while (left && now() - began < PATIENCE_SECONDS)
        poll_sockets(1000);
    double seconds = now() - began, *times = calloc(sockets, sizeof *times);
    for (int i = 0; i < sockets; i++)
        times[i] = clients[i].is_over ? clients[i].done : seconds;
    qsort(times, sockets, sizeof *times, by_size);
    printf("{\"seconds\": %.4f, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"errors\": %ld}\n", times[sockets - 1],
           times[sockets / 2] * 1e3, times[(long)sockets * 99 / 100] * 1e3, errors + left);
    return 0;
}

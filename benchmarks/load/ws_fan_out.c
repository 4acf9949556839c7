/* ws_fan_out PORT PATH SOCKETS SNAPSHOTS SECONDS [CHUNKS_PER_SECOND UPLOAD_PATH ...]
 *
 * SOCKETS WebSockets at PATH listen for SECONDS, which begin half a second after each has been told SNAPSHOTS
 * snapshots (0: after all are open). Meanwhile each UPLOAD_PATH, if there is one, is sent so many chunks a second, one
 * after the other, each acknowledged. Prints as JSON the messages a second that all sockets were told, the chunks a
 * second that were acknowledged, and, with one upload, the median and the 99th percentile of the milliseconds from a
 * chunk's first byte out to the message that tells of it, over all sockets.
 */
#define _GNU_SOURCE
#include "watchers.h"
#include <fcntl.h>

static const double CALM_SECONDS = 0.5;

enum { PATIENCE_SECONDS = 60, CHUNK_BYTES = 4 << 10, MOST_UPLOADS = 64, MOST_CHUNKS = 1 << 10 };

struct upload {
    const char *path;
    int socket;
    bool is_waiting;
    long long offset;
    double due;
};

static struct upload uploads[MOST_UPLOADS];
static int upload_count, wanted;
static double chunks_per_second, sent_at[MOST_CHUNKS];
static bool is_counting;
static long messages, chunks;
static float *delays;
static size_t delay_count, delay_room;

static void note_delay(const char *text, size_t size)
{
    const char *offset = memmem(text, size, "\"offset\":", 9);
    long long chunk = offset ? (atoll(offset + 9) - uploads[0].offset) / CHUNK_BYTES : -1;
    /* uploads[0].offset: of what it had received before this began */
    if (chunk < 1 || chunk > MOST_CHUNKS || !sent_at[chunk - 1])
        return;
    if (delay_count == delay_room) {
        delay_room = delay_room ? delay_room * 2 : 1 << 16;
        delays = realloc(delays, delay_room * sizeof *delays);
        if (!delays)
            fail("realloc");
    }
    delays[delay_count++] = (now() - sent_at[chunk - 1]) * 1e3;
}

static void take_message(struct client *client, const char *text, size_t size)
{
    if (!is_counting && !client->is_over && (text ? ++client->snapshots : 0) >= wanted)
        end(client, NULL);
    if (!is_counting || !text)
        return;
    messages++;
    if (upload_count == 1)
        note_delay(text, size);
}

static void open_upload(struct upload *upload)
{
    char request[1024], reply[4096];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    upload->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(upload->socket, (struct sockaddr *)&address, sizeof address))
        fail("connect");
    int length = snprintf(request, sizeof request, "HEAD %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nTus-Resumable: 1.0.0\r\n\r\n",
                          upload->path, port);
    if (send(upload->socket, request, length, MSG_NOSIGNAL) != length)
        fail("HEAD");
    ssize_t got = recv(upload->socket, reply, sizeof reply - 1, 0);
    reply[got > 0 ? got : 0] = 0;
    char *offset = strcasestr(reply, "\r\nupload-offset:");
    if (!offset) {
        fprintf(stderr, "no offset: %.200s\n", reply);
        exit(1);
    }
    upload->offset = atoll(offset + strlen("\r\nupload-offset:"));
    fcntl(upload->socket, F_SETFL, O_NONBLOCK);
}

static void send_chunk(struct upload *upload, long number)
{
    static char request[1024 + CHUNK_BYTES];
    int length = snprintf(request, 1024,
                          "PATCH %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: %lld\r\n"
                          "Content-Type: application/offset+octet-stream\r\nContent-Length: %d\r\n\r\n",
                          upload->path, port, upload->offset + number * CHUNK_BYTES, CHUNK_BYTES);
    memset(request + length, 'x', CHUNK_BYTES);
    if (number < MOST_CHUNKS)
        sent_at[number] = now();
    if (send(upload->socket, request, length + CHUNK_BYTES, MSG_NOSIGNAL) != length + CHUNK_BYTES)
        fail("PATCH");
    upload->is_waiting = true;
    upload->due += 1 / chunks_per_second;
}

/* Take the answers that are there, send the chunks that are due. */
static void send_chunks(long *sent)
{
    for (int i = 0; i < upload_count; i++) {
        struct upload *upload = &uploads[i];
        char reply[4096];
        if (upload->is_waiting && recv(upload->socket, reply, sizeof reply, 0) > 0) {
            if (memcmp(reply, "HTTP/1.1 204", 12)) {
                fprintf(stderr, "a chunk was refused: %.200s\n", reply);
                exit(1);
            }
            upload->is_waiting = false;
            chunks++;
        }
        if (!upload->is_waiting && now() >= upload->due)
            send_chunk(upload, sent[i]++);
    }
}

static int by_size(const void *one, const void *other)
{
    float a = *(const float *)one, b = *(const float *)other;
    return a < b ? -1 : a > b;
}

int main(int count, char **words)
{
    if (count < 6)
        return 2;
    long sent[MOST_UPLOADS] = {0};
    port = atoi(words[1]), sockets = atoi(words[3]), wanted = atoi(words[4]);
    double seconds = atof(words[5]);
    chunks_per_second = count > 6 ? atof(words[6]) : 0;
    for (int i = 7; i < count && upload_count < MOST_UPLOADS; i++)
        uploads[upload_count++].path = words[i];

    connect_all(words[2]);
    while (left && now() - began < PATIENCE_SECONDS)
        poll_sockets(1000);
    for (int i = 0; i < upload_count; i++)
        open_upload(&uploads[i]);
    double from = now();
    while (now() - from < CALM_SECONDS) /* what the storm has left is done first */
        poll_sockets(50);
    from = now();
    for (int i = 0; i < upload_count; i++)
        uploads[i].due = from + i / chunks_per_second / upload_count; /* evenly, as clients come */
    is_counting = true;
    while (now() - from < seconds) {
        send_chunks(sent);
        poll_sockets(upload_count ? 1 : 100);
    }
    seconds = now() - from;
    qsort(delays, delay_count, sizeof *delays, by_size);
    printf("{\"messages_per_second\": %.1f, \"chunks_per_second\": %.1f, \"p50_ms\": %.2f, \"p99_ms\": %.2f, "
           "\"errors\": %ld}\n",
           messages / seconds, chunks / seconds, delay_count ? delays[delay_count / 2] : 0,
           delay_count ? delays[delay_count * 99 / 100] : 0, errors + left);
    return 0;
}

/* Many kept connections, one request at a time on each: what the load clients share.
 *
 * One thread and epoll, so that a client takes as little as it can of the machine it shares with the server. Whoever
 * includes this says what is asked (next_request), what an answer means (take_answer), and how one begins anew
 * (forget); ``run`` then goes on for so many seconds and prints, as JSON, how many answers counted, their rate, the
 * median and the 99th percentile of the time from a request's first byte out to its answer, and the errors.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"


enum { HEAD_BYTES = 2048, ANSWER_BYTES = 16 << 10, LOCATION_BYTES = 1024, ERROR_LIMIT = 100 };
enum { PATIENCE_SECONDS = 20 }; /* for the first answer of all, on a machine that is busy elsewhere */

/* a file name and a media type: some peers insist on both */
#define METADATA "filename Ym9keS5iaW4=,filetype YXBwbGljYXRpb24vb2N0ZXQtc3RyZWFt"

struct connection {
    int socket;
    bool wants_room;               /* the socket was full: epoll tells when it is not */
    char location[LOCATION_BYTES]; /* of the present upload; empty: none */
    long long offset;
    char head[HEAD_BYTES];
    size_t head_length, body_length, sent;
    char answer[ANSWER_BYTES];
    size_t received;
    double started;
};

static int port;
static char *body; /* the same one for all */

static void next_request(struct connection *connection);
static void take_answer(struct connection *connection, int status);
static void forget(struct connection *connection);

static int poller;
static struct {
    float *milliseconds;
    size_t count, room;
    long errors;
} seen;

static void open_socket(struct connection *connection)
{
    int yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection->socket, (struct sockaddr *)&address, sizeof address))
        fail("connect");
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(connection->socket, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, connection->socket, &event))
        fail("epoll_ctl");
    connection->wants_room = false;
}

static void ask_for_room(struct connection *connection, bool wanted)
{
    if (connection->wants_room == wanted)
        return;
    struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0), .data.ptr = connection};
    epoll_ctl(poller, EPOLL_CTL_MOD, connection->socket, &event);
    connection->wants_room = wanted;
}

/* Something went wrong: count it, and start over with a new connection and a new upload. */
static void start_over(struct connection *connection, const char *why)
{
    if (!seen.errors)
        fprintf(stderr, "first error: %.300s\n", why);
    if (++seen.errors > ERROR_LIMIT)
        exit(1);
    close(connection->socket);
    forget(connection);
    open_socket(connection);
    next_request(connection);
}

static void send_more(struct connection *connection)
{
    size_t total = connection->head_length + connection->body_length;
    while (connection->sent < total) {
        size_t sent = connection->sent, head = connection->head_length;
        size_t from = sent > head ? sent - head : 0;
        struct iovec parts[2] = {
            {connection->head + (sent < head ? sent : head), sent < head ? head - sent : 0},
            {body + from, connection->body_length - from},
        };
        ssize_t taken = writev(connection->socket, parts, 2);
        if (taken < 0 && errno == EAGAIN) {
            ask_for_room(connection, true);
            return;
        }
        if (taken < 0) {
            start_over(connection, strerror(errno));
            return;
        }
        connection->sent += taken;
    }
    ask_for_room(connection, false);
}

/* The head is in place: send it, and so much of the body. */
static void begin(struct connection *connection, int head_length, size_t body_length)
{
    connection->head_length = head_length;
    connection->body_length = body_length;
    connection->sent = connection->received = 0;
    connection->started = now();
    send_more(connection);
}

/* Whether the answer in the buffer is whole; `head_end` points past its head. */
static bool is_whole(const struct connection *connection, const char *head_end)
{
    const char *field = strcasestr(connection->answer, "\r\ncontent-length:");
    const char *end = connection->answer + connection->received;
    if (field && field < head_end)
        return end - head_end >= atoll(field + strlen("\r\ncontent-length:"));
    field = strcasestr(connection->answer, "\r\ntransfer-encoding: chunked");
    if (field && field < head_end)
        return end - head_end >= 5 && !memcmp(end - 5, "0\r\n\r\n", 5);
    return true; /* 201 and 204 without either have no body */
}

/* This answer counts. */
static void note_answer(const struct connection *connection)
{
    if (seen.count == seen.room) {
        seen.room = seen.room ? seen.room * 2 : 1 << 16;
        seen.milliseconds = realloc(seen.milliseconds, seen.room * sizeof *seen.milliseconds);
        if (!seen.milliseconds)
            fail("realloc");
    }
    seen.milliseconds[seen.count++] = (now() - connection->started) * 1e3;
}

static void read_more(struct connection *connection)
{
    ssize_t got = recv(connection->socket, connection->answer + connection->received,
                       ANSWER_BYTES - 1 - connection->received, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        start_over(connection, got ? strerror(errno) : "the server closed the connection");
        return;
    }
    connection->received += got;
    connection->answer[connection->received] = 0;
    const char *blank = strstr(connection->answer, "\r\n\r\n");
    if (blank && is_whole(connection, blank + 4))
        take_answer(connection, atoi(connection->answer + strlen("HTTP/1.1 ")));
}

static int by_value(const void *left, const void *right)
{
    float one = *(const float *)left, other = *(const float *)right;
    return (one > other) - (one < other);
}

static void report(double seconds)
{
    size_t count = seen.count;
    qsort(seen.milliseconds, count, sizeof *seen.milliseconds, by_value);
    printf("{\"requests\": %zu, \"requests_per_second\": %.2f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
           "\"errors\": %ld}\n",
           count, count / seconds, count ? seen.milliseconds[count / 2] : 0,
           count ? seen.milliseconds[count * 99 / 100] : 0, seen.errors);
}

static void run(int connections, double seconds, size_t body_bytes)
{
    body = malloc(body_bytes);
    struct connection *all = calloc(connections, sizeof *all);
    poller = epoll_create1(0);
    signal(SIGPIPE, SIG_IGN); /* a closed connection is an error to count, not an end */
    if (!body || !all || poller < 0)
        fail("start");
    for (size_t at = 0; at < body_bytes; at++)
        body[at] = (char)(at * 31 >> 3);

    double started = now();
    for (int each = 0; each < connections; each++) {
        open_socket(&all[each]);
        next_request(&all[each]);
    }
    struct epoll_event events[256];
    while (now() - started < (seen.count ? seconds : seconds + PATIENCE_SECONDS)) {
        int ready = epoll_wait(poller, events, 256, 50);
        for (int each = 0; each < ready; each++) {
            struct connection *connection = events[each].data.ptr;
            if (events[each].events & EPOLLOUT)
                send_more(connection);
            if (events[each].events & ~EPOLLOUT)
                read_more(connection);
        }
    }
    report(now() - started);
}

/* ws_storm PORT PATH SOCKETS SNAPSHOTS
 *
 * SOCKETS WebSockets at PATH, which names what each of them watches, all connecting at once; each is done when it
 * has been told SNAPSHOTS snapshots. One thread and epoll, so that the client takes as little as it can of the machine
 * it shares with the server. Prints as JSON the seconds from the first connect to the last snapshot, the median and the
 * 99th percentile of the sockets' times, and the errors.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER_BYTES = 32 << 10, HEAD_BYTES = 64 << 10, EVENTS = 512, PATIENCE_SECONDS = 100 };

struct client {
    int socket;
    bool is_asked, is_open, is_over;
    int snapshots;
    size_t held;
    char *buffer;
    double done; /* seconds from the first connect */
};

static struct {
    int port, sockets, snapshots;
} plan;

static char head[HEAD_BYTES];
static size_t head_length;
static int poller, left;
static long errors;
static double began;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void end(struct client *client, const char *error)
{
    if (client->is_over)
        return;
    client->is_over = true;
    client->done = now() - began;
    left--;
    if (error && !errors++)
        fprintf(stderr, "first error: %.300s\n", error);
}

static void start(struct client *client)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(plan.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (client->socket < 0)
        fail("socket");
    if (connect(client->socket, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS)
        fail("connect");
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = client};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, client->socket, &event))
        fail("epoll_ctl");
}

static void ask(struct client *client)
{
    client->is_asked = true;
    if (send(client->socket, head, head_length, MSG_NOSIGNAL) != (ssize_t)head_length) {
        end(client, "the request could not be sent");
        return;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    epoll_ctl(poller, EPOLL_CTL_MOD, client->socket, &event);
}

static void pong(struct client *client)
{
    static const unsigned char frame[6] = {0x8a, 0x80}; /* the server's pings carry nothing */
    send(client->socket, frame, sizeof frame, MSG_NOSIGNAL);
}

/* How many bytes of the buffer were whole: the reply to the handshake, then a server's unmasked frames. */
static size_t take(struct client *client)
{
    size_t at = 0;
    if (!client->is_open) {
        char *body = memmem(client->buffer, client->held, "\r\n\r\n", 4);
        if (!body)
            return 0;
        if (memcmp(client->buffer, "HTTP/1.1 101", 12)) {
            client->buffer[client->held] = 0;
            end(client, client->buffer);
            return client->held;
        }
        client->is_open = true;
        at = body + 4 - client->buffer;
    }
    while (client->held - at >= 2) {
        unsigned char *frame = (unsigned char *)client->buffer + at;
        size_t size = frame[1] & 0x7f, start = 2;
        if (size == 126) {
            if (client->held - at < 4)
                break;
            size = frame[2] << 8 | frame[3], start = 4;
        }
        if (client->held - at < start + size)
            break;
        if (frame[0] == 0x81 && memmem(frame + start, size, "\"upload.snapshot\"", 17)) {
            if (++client->snapshots == plan.snapshots)
                end(client, NULL);
        } else if (frame[0] == 0x89) {
            pong(client);
        } else if (frame[0] == 0x88) {
            end(client, "a socket was closed by the server");
        } else {
            end(client, "something else than a snapshot was told");
        }
        at += start + size;
    }
    return at;
}

static void receive(struct client *client)
{
    ssize_t count = recv(client->socket, client->buffer + client->held, BUFFER_BYTES - client->held, 0);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0) {
        end(client, count ? strerror(errno) : "a socket was cut off by the server");
        epoll_ctl(poller, EPOLL_CTL_DEL, client->socket, NULL);
        return;
    }
    client->held += count;
    size_t taken = take(client);
    client->held -= taken;
    memmove(client->buffer, client->buffer + taken, client->held);
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
    plan.port = atoi(words[1]), plan.sockets = atoi(words[3]), plan.snapshots = atoi(words[4]);
    head_length = snprintf(head, sizeof head,
                           "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           "Sec-WebSocket-Key: bG9uZ3Nob3JlLWJlbmNoIQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                           words[2], plan.port);
    if (head_length >= sizeof head)
        return 2;
    struct client *clients = calloc(plan.sockets, sizeof *clients);
    char *buffers = malloc((size_t)plan.sockets * (BUFFER_BYTES + 1));
    double *times = calloc(plan.sockets, sizeof *times);
    struct epoll_event events[EVENTS];
    poller = epoll_create1(0), left = plan.sockets, began = now();
    for (int i = 0; i < plan.sockets; i++) {
        clients[i].buffer = buffers + (size_t)i * (BUFFER_BYTES + 1);
        start(&clients[i]);
    }
    while (left && now() - began < PATIENCE_SECONDS) {
        int ready = epoll_wait(poller, events, EVENTS, 1000);
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            if (!client->is_asked && events[i].events & EPOLLOUT)
                ask(client);
            if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
                receive(client);
        }
    }
    double seconds = now() - began;
    for (int i = 0; i < plan.sockets; i++)
        times[i] = clients[i].is_over ? clients[i].done : seconds;
    qsort(times, plan.sockets, sizeof *times, by_size);
    printf("{\"seconds\": %.4f, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"errors\": %ld}\n", times[plan.sockets - 1],
           times[plan.sockets / 2] * 1e3, times[(long)plan.sockets * 99 / 100] * 1e3, errors + left);
    return 0;
}

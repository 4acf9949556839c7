/* Many WebSockets that only listen: what the watching load clients share.
 *
 * One thread and epoll, so that a client takes as little as it can of the machine it shares with the server. Whoever
 * includes this says what a message means (take_message); ``connect_all`` begins, ``poll_sockets`` goes on.
 */
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

#include "clock.h"

enum { BUFFER_BYTES = 32 << 10, HEAD_BYTES = 64 << 10, EVENTS = 512 };

struct client {
    int socket;
    bool is_asked, is_open, is_over;
    int snapshots;
    size_t held;
    char *buffer;
    double done; /* seconds from the first connect */
};

static void take_message(struct client *client, const char *text, size_t size);

static int port, sockets, poller, left;
static struct client *clients;
static char head[HEAD_BYTES];
static size_t head_length;
static long errors;
static double began;

/* This one has seen what it waited for, or never will. */
static void end(struct client *client, const char *error)
{
    if (error && !errors++)
        fprintf(stderr, "first error: %.300s\n", error);
    if (client->is_over)
        return;
    client->is_over = true;
    client->done = now() - began;
    left--;
}

static void start(struct client *client)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
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
    static const unsigned char frame[6] = {0x8a, 0x80}; /* the servers' pings carry nothing that is looked at */
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
        take_message(client, NULL, 0);
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
        if (frame[0] == 0x81)
            take_message(client, (char *)frame + start, size);
        else if (frame[0] == 0x89)
            pong(client);
        else
            end(client, frame[0] == 0x88 ? "a socket was closed by the server" : "a frame that nobody expects");
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

/* All at once, at PATH of the server. */
static void connect_all(const char *path)
{
    head_length = snprintf(head, sizeof head,
                           "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           "Sec-WebSocket-Key: bG9uZ3Nob3JlLWJlbmNoIQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                           path, port);
    if (head_length >= sizeof head)
        exit(2);
    clients = calloc(sockets, sizeof *clients);
    char *buffers = malloc((size_t)sockets * (BUFFER_BYTES + 1));
    if (!clients || !buffers)
        fail("malloc");
    poller = epoll_create1(0), left = sockets, began = now();
    for (int i = 0; i < sockets; i++) {
        clients[i].buffer = buffers + (size_t)i * (BUFFER_BYTES + 1);
        start(&clients[i]);
    }
}

/* What has come by now, waiting up to so many milliseconds for the first of it. */
static void poll_sockets(int milliseconds)
{
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(poller, events, EVENTS, milliseconds);
    for (int i = 0; i < ready; i++) {
        struct client *client = events[i].data.ptr;
        if (!client->is_asked && events[i].events & EPOLLOUT)
            ask(client);
        if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
            receive(client);
    }
}

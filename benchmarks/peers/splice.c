/* splice PORT FILE SYNC_EVERY
 *
 * The least work that still receives a body: one connection at a time, its head parsed for the length, its
 * body spliced from the socket into FILE. SYNC_EVERY bytes are synced to the disk before more are taken, and
 * the rest before the answer; 0 never syncs. What a server reaches of this is what its own work costs.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_BYTES = 64 << 10, PIPE_BYTES = 1 << 20 };

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int listen_on(int port)
{
    int yes = 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16))
        fail("listen");
    return listener;
}

/* Read until the blank line; returns where the body begins in `head`, or NULL when the client left. */
static char *read_head(int client, char *head, size_t *received)
{
    char *blank = NULL;
    *received = 0;
    while (!blank && *received < HEAD_BYTES - 1) {
        ssize_t got = recv(client, head + *received, HEAD_BYTES - 1 - *received, 0);
        if (got <= 0)
            return NULL;
        *received += got;
        head[*received] = 0;
        blank = strstr(head, "\r\n\r\n");
    }
    return blank ? blank + 4 : NULL;
}

static long long content_length(const char *head)
{
    const char *field = strcasestr(head, "\r\ncontent-length:");
    return field ? atoll(field + strlen("\r\ncontent-length:")) : 0;
}

static void write_all(int file, const char *bytes, size_t count)
{
    while (count) {
        ssize_t written = write(file, bytes, count);
        if (written <= 0)
            fail("write");
        bytes += written;
        count -= written;
    }
}

/* Move up to `wanted` bytes from the socket to the file; returns how many, 0 when the client left. */
static long long splice_some(int client, const int channel[2], int file, long long wanted)
{
    ssize_t taken = splice(client, NULL, channel[1], NULL, wanted < PIPE_BYTES ? wanted : PIPE_BYTES,
                           SPLICE_F_MOVE | SPLICE_F_MORE);
    if (taken < 0)
        fail("splice from the socket");
    for (ssize_t left = taken; left > 0;) {
        ssize_t written = splice(channel[0], NULL, file, NULL, left, SPLICE_F_MOVE);
        if (written <= 0)
            fail("splice into the file");
        left -= written;
    }
    return taken;
}

static void receive(int client, const int channel[2], const char *path, long long sync_every)
{
    static char head[HEAD_BYTES];
    size_t received;
    char *body = read_head(client, head, &received);
    if (!body)
        return;
    long long length = content_length(head);
    long long done = head + received - body;
    long long unsynced = done;
    int file = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    if (file < 0)
        fail(path);
    write_all(file, body, done);
    while (done < length) {
        long long moved = splice_some(client, channel, file, length - done);
        if (!moved)
            break;
        done += moved;
        unsynced += moved;
        if (sync_every && (unsynced >= sync_every || done == length)) {
            if (fdatasync(file))
                fail("fdatasync");
            unsynced = 0;
        }
    }
    close(file);
    const char *answer = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    if (done == length)
        write_all(client, answer, strlen(answer));
}

int main(int count, char **arguments)
{
    int channel[2];
    if (count != 4) {
        fprintf(stderr, "usage: splice PORT FILE SYNC_EVERY\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (pipe(channel) || fcntl(channel[1], F_SETPIPE_SZ, PIPE_BYTES) < 0)
        fail("pipe");
    int listener = listen_on(atoi(arguments[1]));
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0)
            fail("accept");
        receive(client, channel, arguments[2], atoll(arguments[3]));
        close(client);
    }
}

/* drain PORT PATH
 *
 * GET PATH and let the kernel throw the body away (MSG_TRUNC), so that only the server is measured.
 * Prints {"seconds": from the request to the last byte, "bytes": the body's}.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES = 64 << 10, GULP_BYTES = 1 << 20 };

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static int connect_to(int port)
{
    int server = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(server, (struct sockaddr *)&address, sizeof address))
        fail("no connection");
    return server;
}

/* Read the head and what came with it; returns how many bytes of the body were among that. */
static long long read_head(int server, char *head)
{
    size_t received = 0;
    char *blank = NULL;
    while (!blank && received < HEAD_BYTES - 1) {
        ssize_t got = recv(server, head + received, HEAD_BYTES - 1 - received, 0);
        if (got <= 0)
            fail("the server left before its answer");
        received += got;
        head[received] = 0;
        blank = strstr(head, "\r\n\r\n");
    }
    if (!blank)
        fail("the answer has no end of its head");
    blank[2] = 0;
    return head + received - (blank + 4);
}

int main(int count, char **arguments)
{
    static char head[HEAD_BYTES];
    char request[4096];
    if (count != 3) {
        fprintf(stderr, "usage: drain PORT PATH\n");
        return 2;
    }
    int server = connect_to(atoi(arguments[1]));
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n\r\n",
                          arguments[2], arguments[1]);
    if (length >= (int)sizeof request)
        fail("the path is too long");

    double started = now();
    if (send(server, request, length, 0) != length)
        fail("the request was not taken");
    long long received = read_head(server, head);
    const char *field = strcasestr(head, "\r\ncontent-length:");
    if (strncmp(head, "HTTP/1.1 200", 12) || !field) {
        fprintf(stderr, "not a 200 with a length: %.200s\n", head);
        return 1;
    }
    long long expected = atoll(field + strlen("\r\ncontent-length:"));
    while (received < expected) {
        ssize_t got = recv(server, NULL, GULP_BYTES, MSG_TRUNC);
        if (got <= 0)
            fail("the server left in the middle of the body");
        received += got;
    }
    printf("{\"seconds\": %.6f, \"bytes\": %lld}\n", now() - started, received);
    close(server);
    return 0;
}

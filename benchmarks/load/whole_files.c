/* whole_files PORT tus|put PATH FILE_BYTES CONNECTIONS SECONDS
 *
 * CONNECTIONS keep-alive connections, each sending one whole file a request, the next one after the answer: tus
 * creation-with-upload at PATH, or a PUT to PATH and a name of its own. What counts is files that were acknowledged
 * within SECONDS.
 */
#define _GNU_SOURCE
#include "connections.h"

static struct {
    bool is_tus;
    const char *path;
    size_t file_bytes;
    long files;
} plan;

static void forget(struct connection *connection)
{
    (void)connection;
}

static void next_request(struct connection *connection)
{
    int length;
    if (plan.is_tus)
        length = snprintf(connection->head, HEAD_BYTES,
                          "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                          "Tus-Resumable: 1.0.0\r\nUpload-Length: %zu\r\n"
                          "Upload-Metadata: " METADATA "\r\n"
                          "Content-Type: application/offset+octet-stream\r\nContent-Length: %zu\r\n\r\n",
                          plan.path, port, plan.file_bytes, plan.file_bytes);
    else
        length = snprintf(connection->head, HEAD_BYTES,
                          "PUT %s%d-%ld.bin HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %zu\r\n\r\n",
                          plan.path, getpid(), plan.files++, port, plan.file_bytes);
    begin(connection, length, plan.file_bytes);
}

static void take_answer(struct connection *connection, int status)
{
    if (status != 201) {
        start_over(connection, connection->answer);
        return;
    }
    note_answer(connection);
    next_request(connection);
}

int main(int count, char **arguments)
{
    if (count != 7) {
        fprintf(stderr, "usage: whole_files PORT tus|put PATH FILE_BYTES CONNECTIONS SECONDS\n");
        return 2;
    }
    port = atoi(arguments[1]);
    plan.is_tus = !strcmp(arguments[2], "tus");
    plan.path = arguments[3];
    plan.file_bytes = atoll(arguments[4]);
    run(atoi(arguments[5]), atof(arguments[6]), plan.file_bytes);
    return 0;
}

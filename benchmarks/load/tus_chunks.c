/* tus_chunks PORT UPLOADS_PATH CHUNK_BYTES CONNECTIONS SECONDS UPLOAD_BYTES
 *
 * CONNECTIONS keep-alive connections, each with one upload at a time: create it, send it chunk after chunk
 * (one PATCH each, the next one after the answer), begin another. What counts is chunks that were acknowledged
 * within SECONDS; creating uploads is in the time but not in the count.
 */
#define _GNU_SOURCE
#include "connections.h"

static struct {
    const char *uploads_path;
    size_t chunk_bytes;
    long long upload_bytes;
} plan;

static void forget(struct connection *connection)
{
    connection->location[0] = 0;
}

static void next_request(struct connection *connection)
{
    if (connection->location[0] && connection->offset < plan.upload_bytes) {
        begin(connection,
              snprintf(connection->head, HEAD_BYTES,
                       "PATCH %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                       "Tus-Resumable: 1.0.0\r\nUpload-Offset: %lld\r\n"
                       "Content-Type: application/offset+octet-stream\r\nContent-Length: %zu\r\n\r\n",
                       connection->location, port, connection->offset, plan.chunk_bytes),
              plan.chunk_bytes);
    } else {
        forget(connection);
        begin(connection,
              snprintf(connection->head, HEAD_BYTES,
                       "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                       "Tus-Resumable: 1.0.0\r\nUpload-Length: %lld\r\n"
                       "Upload-Metadata: " METADATA "\r\n"
                       "Content-Length: 0\r\n\r\n",
                       plan.uploads_path, port, plan.upload_bytes),
              0);
    }
}

/* Keep the path of the Location header, be it relative or absolute. */
static bool keep_location(struct connection *connection)
{
    char *value = strcasestr(connection->answer, "\r\nlocation:");
    if (!value)
        return false;
    value += strlen("\r\nlocation:");
    value += strspn(value, " ");
    if (!strncmp(value, "http", 4)) {
        value = strstr(value, "://");
        value = value ? strchr(value + 3, '/') : NULL;
    }
    size_t length = value ? strcspn(value, "\r\n") : 0;
    if (!length || length >= LOCATION_BYTES)
        return false;
    memcpy(connection->location, value, length);
    connection->location[length] = 0;
    return true;
}

static void take_answer(struct connection *connection, int status)
{
    if (connection->location[0]) {
        if (status != 204) {
            start_over(connection, connection->answer);
            return;
        }
        note_answer(connection);
        connection->offset += plan.chunk_bytes;
    } else {
        if (status != 201 || !keep_location(connection)) {
            start_over(connection, connection->answer);
            return;
        }
        connection->offset = 0;
    }
    next_request(connection);
}

int main(int count, char **arguments)
{
    if (count != 7) {
        fprintf(stderr, "usage: tus_chunks PORT UPLOADS_PATH CHUNK_BYTES CONNECTIONS SECONDS UPLOAD_BYTES\n");
        return 2;
    }
    port = atoi(arguments[1]);
    plan.uploads_path = arguments[2];
    plan.chunk_bytes = atoll(arguments[3]);
    /* whole chunks only, so that each upload ends with its last one */
    plan.upload_bytes = atoll(arguments[6]) / plan.chunk_bytes * plan.chunk_bytes;
    run(atoi(arguments[4]), atof(arguments[5]), plan.chunk_bytes);
    return 0;
}

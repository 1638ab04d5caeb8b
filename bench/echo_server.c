/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ceiling: what one thread with one io_uring can answer when it does no work at all. To each
 * request of R bytes it answers S bytes, whose beginning is the request's.
 *
 * It is built the way stockd's server is, so that the ratio of the two says what the stock engine
 * itself costs: SINGLE_ISSUER | DEFER_TASKRUN, multishot accept, multishot receive into a provided
 * buffer ring, the replies of one loop turn gathered into one send for each connection, at most one
 * send in flight for each connection, no busy polling.
 *
 *     bench-echo_server [--port N] [--request-bytes R] [--response-bytes S]
 *
 * prints "127.0.0.1:PORT" once it listens, and runs until it is killed.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RING_ENTRIES = 1024,
    CQ_ENTRIES = 8192,
    MAX_CONNECTIONS = 1024,
    BUFFER_COUNT = 256, /* a power of two */
    BUFFER_SIZE = 32 << 10,
    BUFFER_GROUP = 0,
    MAX_MESSAGE = 4096,
    MAX_OUT = 8 << 20, /* a client that does not read is cut off here */
};

/* What a completion belongs to: the low bits of user_data, above them the connection's number. */
enum event { EVENT_ACCEPT, EVENT_RECEIVE, EVENT_SEND, EVENT_BITS = 2 };

struct out {
    unsigned char *data;
    size_t len;
    size_t capacity;
};

struct connection {
    int fd; /* -1: this place is free */
    bool sending;
    bool receiving;
    bool closing;
    bool dirty; /* in the list of those with something to send */
    size_t sent;
    size_t partial_len;
    struct out ready;    /* gathered in this turn */
    struct out inflight; /* given to the kernel */
    unsigned char partial[MAX_MESSAGE];
};

struct server {
    struct io_uring ring;
    struct io_uring_buf_ring *buffers;
    unsigned char *buffer_memory;
    int listener;
    size_t request_bytes;
    size_t response_bytes;
    unsigned dirty_count;
    unsigned dirty[MAX_CONNECTIONS];
    struct connection connections[MAX_CONNECTIONS];
};

static void fatal(const char *what, int error)
{
    fprintf(stderr, "echo_server: %s: %s\n", what, strerror(error));
    exit(2);
}

static struct io_uring_sqe *next_sqe(struct server *server)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&server->ring);

    if (!sqe) {
        io_uring_submit(&server->ring);
        sqe = io_uring_get_sqe(&server->ring);
    }
    assert(sqe);
    return sqe;
}

static void set_event(struct io_uring_sqe *sqe, enum event event, size_t number)
{
    io_uring_sqe_set_data64(sqe, (uint64_t)number << EVENT_BITS | event);
}

static void arm_accept(struct server *server)
{
    struct io_uring_sqe *sqe = next_sqe(server);

    io_uring_prep_multishot_accept(sqe, server->listener, NULL, NULL, SOCK_CLOEXEC);
    set_event(sqe, EVENT_ACCEPT, 0);
}

static void arm_receive(struct server *server, size_t number)
{
    struct connection *connection = &server->connections[number];
    struct io_uring_sqe *sqe = next_sqe(server);

    io_uring_prep_recv_multishot(sqe, connection->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    set_event(sqe, EVENT_RECEIVE, number);
    connection->receiving = true;
}

static void arm_send(struct server *server, size_t number)
{
    struct connection *connection = &server->connections[number];
    struct io_uring_sqe *sqe = next_sqe(server);

    assert(connection->sent < connection->inflight.len);
    io_uring_prep_send(sqe, connection->fd, connection->inflight.data + connection->sent,
                       connection->inflight.len - connection->sent, MSG_NOSIGNAL | MSG_WAITALL);
    set_event(sqe, EVENT_SEND, number);
    connection->sending = true;
}

/* Frees the place once nothing of it is with the kernel any more. */
static void close_connection(struct connection *connection)
{
    if (!connection->closing)
        shutdown(connection->fd, SHUT_RDWR);
    connection->closing = true;
    if (connection->sending || connection->receiving)
        return;
    close(connection->fd);
    free(connection->ready.data);
    free(connection->inflight.data);
    *connection = (struct connection){ .fd = -1, .dirty = connection->dirty };
}

static void on_accept(struct server *server, const struct io_uring_cqe *cqe)
{
    size_t number = 0;
    int on = 1;

    if (!(cqe->flags & IORING_CQE_F_MORE))
        arm_accept(server);
    if (cqe->res < 0)
        return;
    while (number < MAX_CONNECTIONS && server->connections[number].fd >= 0)
        number++;
    if (number == MAX_CONNECTIONS) {
        close(cqe->res);
        return;
    }
    (void)setsockopt(cqe->res, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    server->connections[number].fd = cqe->res;
    arm_receive(server, number);
}

static bool ensure_out(struct out *out, size_t more)
{
    size_t capacity = out->capacity ? out->capacity : 4096;

    while (capacity < out->len + more)
        capacity *= 2;
    if (capacity == out->capacity)
        return true;
    unsigned char *data = capacity <= MAX_OUT ? realloc(out->data, capacity) : NULL;
    if (!data)
        return false;
    out->data = data;
    out->capacity = capacity;
    return true;
}

/* Appends the answers to count whole requests that lie one after another. */
static bool answer(struct server *server, struct out *out, const unsigned char *request,
                   size_t count)
{
    size_t in = server->request_bytes;
    size_t response = server->response_bytes;
    size_t copied = in < response ? in : response;

    if (!ensure_out(out, count * response))
        return false;
    unsigned char *to = out->data + out->len;
    for (size_t i = 0; i < count; i++, to += response, request += in) {
        memcpy(to, request, copied);
        if (copied < response)
            memset(to + copied, 0, response - copied);
    }
    out->len += count * response;
    return true;
}

/* Bytes of a connection's stream: the rest of a partial request, whole ones, a new partial one. */
static bool take_bytes(struct server *server, struct connection *connection,
                       const unsigned char *bytes, size_t len)
{
    size_t size = server->request_bytes;

    if (connection->partial_len > 0) {
        size_t missing = size - connection->partial_len;
        size_t taken = len < missing ? len : missing;

        memcpy(connection->partial + connection->partial_len, bytes, taken);
        connection->partial_len += taken;
        bytes += taken;
        len -= taken;
        if (connection->partial_len < size)
            return true;
        connection->partial_len = 0;
        if (!answer(server, &connection->ready, connection->partial, 1))
            return false;
    }
    size_t whole = len / size;
    size_t rest = len - whole * size;

    memcpy(connection->partial, bytes + whole * size, rest);
    connection->partial_len = rest;
    return answer(server, &connection->ready, bytes, whole);
}

static void give_buffer(struct server *server, unsigned id)
{
    io_uring_buf_ring_add(server->buffers, server->buffer_memory + (size_t)id * BUFFER_SIZE,
                          BUFFER_SIZE, (unsigned short)id, io_uring_buf_ring_mask(BUFFER_COUNT), 0);
    io_uring_buf_ring_advance(server->buffers, 1);
}

static void on_receive(struct server *server, size_t number, const struct io_uring_cqe *cqe)
{
    struct connection *connection = &server->connections[number];
    bool sound = cqe->res > 0 || cqe->res == -ENOBUFS;

    if (!(cqe->flags & IORING_CQE_F_MORE))
        connection->receiving = false;
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

        if (cqe->res > 0)
            sound = take_bytes(server, connection, server->buffer_memory + (size_t)id * BUFFER_SIZE,
                               (size_t)cqe->res);
        give_buffer(server, id);
    }
    if (!sound || connection->closing) {
        close_connection(connection);
        return;
    }
    if (!connection->receiving)
        arm_receive(server, number);
    if (connection->ready.len > 0 && !connection->dirty) {
        connection->dirty = true;
        server->dirty[server->dirty_count++] = (unsigned)number;
    }
}

/* Sends what was gathered, unless a send is under way: its completion comes here again. */
static void start_send(struct server *server, size_t number)
{
    struct connection *connection = &server->connections[number];

    if (connection->fd < 0 || connection->closing || connection->sending ||
        connection->ready.len == 0)
        return;
    struct out done = connection->inflight;
    connection->inflight = connection->ready;
    connection->ready = done;
    connection->ready.len = 0;
    connection->sent = 0;
    arm_send(server, number);
}

static void on_send(struct server *server, size_t number, const struct io_uring_cqe *cqe)
{
    struct connection *connection = &server->connections[number];

    connection->sending = false;
    if (cqe->res <= 0 || connection->closing) {
        close_connection(connection);
        return;
    }
    connection->sent += (size_t)cqe->res;
    if (connection->sent < connection->inflight.len) {
        arm_send(server, number);
        return;
    }
    if (connection->ready.len > 0 && !connection->dirty) {
        connection->dirty = true;
        server->dirty[server->dirty_count++] = (unsigned)number;
    }
}

static void on_completion(struct server *server, const struct io_uring_cqe *cqe)
{
    uint64_t data = io_uring_cqe_get_data64(cqe);
    size_t number = (size_t)(data >> EVENT_BITS);

    switch ((enum event)(data & ((1U << EVENT_BITS) - 1))) {
    case EVENT_ACCEPT:
        on_accept(server, cqe);
        break;
    case EVENT_RECEIVE:
        on_receive(server, number, cqe);
        break;
    case EVENT_SEND:
        on_send(server, number, cqe);
        break;
    default:
        assert(false); /* an event that nobody asked for */
    }
}

/* One turn: wait for something, take all of it, then one send for each connection it was for. */
static void turn(struct server *server)
{
    struct io_uring_cqe *cqe;
    unsigned head;
    unsigned seen = 0;
    int rc = io_uring_submit_and_wait(&server->ring, 1);

    if (rc < 0 && rc != -EINTR)
        fatal("io_uring_submit_and_wait", -rc);
    io_uring_for_each_cqe(&server->ring, head, cqe)
    {
        on_completion(server, cqe);
        seen++;
    }
    io_uring_cq_advance(&server->ring, seen);
    for (unsigned i = 0; i < server->dirty_count; i++) {
        server->connections[server->dirty[i]].dirty = false;
        start_send(server, server->dirty[i]);
    }
    server->dirty_count = 0;
}

static void *map_pages(size_t size)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (memory == MAP_FAILED)
        fatal("mmap", errno);
    return memory;
}

static void set_up_ring(struct server *server)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = CQ_ENTRIES,
    };
    int rc = io_uring_queue_init_params(RING_ENTRIES, &server->ring, &params);

    if (rc < 0)
        fatal("io_uring_queue_init (is io_uring allowed here?)", -rc);
    (void)io_uring_register_ring_fd(&server->ring); /* only a little speed */

    server->buffers = map_pages(BUFFER_COUNT * sizeof(struct io_uring_buf));
    server->buffer_memory = map_pages((size_t)BUFFER_COUNT * BUFFER_SIZE);
    struct io_uring_buf_reg reg = { .ring_addr = (uintptr_t)server->buffers,
                                    .ring_entries = BUFFER_COUNT,
                                    .bgid = BUFFER_GROUP };
    rc = io_uring_register_buf_ring(&server->ring, &reg, 0);
    if (rc < 0)
        fatal("io_uring_register_buf_ring", -rc);
    io_uring_buf_ring_init(server->buffers);
    for (unsigned id = 0; id < BUFFER_COUNT; id++)
        give_buffer(server, id);
}

static unsigned listen_on(struct server *server, uint16_t port)
{
    struct sockaddr_in addr = { .sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof addr;
    int on = 1;

    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0)
        fatal("socket", errno);
    (void)setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(server->listener, (struct sockaddr *)&addr, size) < 0)
        fatal("bind", errno);
    if (listen(server->listener, MAX_CONNECTIONS) < 0)
        fatal("listen", errno);
    if (getsockname(server->listener, (struct sockaddr *)&addr, &size) < 0)
        fatal("getsockname", errno);
    return ntohs(addr.sin_port);
}

static unsigned long parse_number(const char *text, unsigned long min, unsigned long max)
{
    char *end;

    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (errno || *end || text[0] == '-' || end == text || number < min || number > max) {
        fprintf(stderr, "echo_server: '%s' is not a number from %lu to %lu\n", text, min, max);
        exit(2);
    }
    return number;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "port", required_argument, NULL, 'p' },
                                             { "request-bytes", required_argument, NULL, 'r' },
                                             { "response-bytes", required_argument, NULL, 's' },
                                             { NULL, 0, NULL, 0 } };
    static struct server server = { .request_bytes = 56, .response_bytes = 48 };
    uint16_t port = 0;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (option == 'p')
            port = (uint16_t)parse_number(optarg, 0, UINT16_MAX);
        else if (option == 'r')
            server.request_bytes = parse_number(optarg, 1, MAX_MESSAGE);
        else if (option == 's')
            server.response_bytes = parse_number(optarg, 1, MAX_MESSAGE);
        else
            return 2;
    }
    for (size_t i = 0; i < MAX_CONNECTIONS; i++)
        server.connections[i].fd = -1;
    port = (uint16_t)listen_on(&server, port);
    set_up_ring(&server);
    arm_accept(&server);
    printf("127.0.0.1:%u\n", (unsigned)port);
    fflush(stdout);
    for (;;)
        turn(&server);
}

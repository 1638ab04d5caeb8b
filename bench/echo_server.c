/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ceiling: what one thread with one io_uring can answer when it does no work at all. It answers
 * each request of R bytes with S bytes, which begin like the request.
 *
 * It is built like stockd's server, so that the ratio of the two says what the stock engine itself
 * costs: SINGLE_ISSUER | DEFER_TASKRUN, multishot accept, multishot receive into a provided buffer
 * ring, the replies of one iteration gathered into one send per connection, at most one send in
 * flight per connection, no busy polling.
 *
 * With --answer it does the least that any server of this protocol must do: it walks each message
 * from value to value, so requests may have any size, and packs a reply [1, msgid, nil, bytes] of S
 * bytes. That is the ceiling for a server that needs no time to think.
 *
 *     bench-echo_server [--port N] [--request-bytes R] [--response-bytes S] [--answer]
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
    int fd; /* -1: this slot is free */
    bool sending;
    bool receiving;
    bool closing;
    bool dirty; /* in the list of connections with something to send */
    size_t sent;
    size_t partial_len;
    struct out ready;    /* gathered in this iteration */
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
    bool answering;
    unsigned char reply[MAX_MESSAGE]; /* --answer: all but the msgid */
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

/* Frees the slot once the kernel has no request of it. */
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

/* ---- --answer ---- */

/* How a MessagePack value continues after its first byte: bytes of a length or number that follow
 * it, bytes besides, and values within. A number has no unit. */
struct head {
    unsigned char length, extra, children, unit; /* unit: values for each one of the length */
};

enum { UNIT_BYTE = 255 };

static struct head head_of(unsigned char lead)
{
    static const struct head above[32] = {
        [0x04] = { 1, 0, 0, UNIT_BYTE }, [0x05] = { 2, 0, 0, UNIT_BYTE },
        [0x06] = { 4, 0, 0, UNIT_BYTE }, [0x07] = { 1, 1, 0, UNIT_BYTE },
        [0x08] = { 2, 1, 0, UNIT_BYTE }, [0x09] = { 4, 1, 0, UNIT_BYTE },
        [0x0a] = { 0, 4, 0, 0 },         [0x0b] = { 0, 8, 0, 0 },
        [0x0c] = { 0, 1, 0, 0 },         [0x0d] = { 0, 2, 0, 0 },
        [0x0e] = { 0, 4, 0, 0 },         [0x0f] = { 0, 8, 0, 0 },
        [0x10] = { 0, 1, 0, 0 },         [0x11] = { 0, 2, 0, 0 },
        [0x12] = { 0, 4, 0, 0 },         [0x13] = { 0, 8, 0, 0 },
        [0x14] = { 0, 2, 0, 0 },         [0x15] = { 0, 3, 0, 0 },
        [0x16] = { 0, 5, 0, 0 },         [0x17] = { 0, 9, 0, 0 },
        [0x18] = { 0, 17, 0, 0 },        [0x19] = { 1, 0, 0, UNIT_BYTE },
        [0x1a] = { 2, 0, 0, UNIT_BYTE }, [0x1b] = { 4, 0, 0, UNIT_BYTE },
        [0x1c] = { 2, 0, 0, 1 },         [0x1d] = { 4, 0, 0, 1 },
        [0x1e] = { 2, 0, 0, 2 },         [0x1f] = { 4, 0, 0, 2 },
    };

    if (lead < 0x80 || lead >= 0xe0)
        return (struct head){ 0 };
    if (lead < 0x90)
        return (struct head){ .children = (unsigned char)(2 * (lead & 0x0f)) };
    if (lead < 0xa0)
        return (struct head){ .children = lead & 0x0f };
    if (lead < 0xc0)
        return (struct head){ .extra = lead & 0x1f };
    return above[lead - 0xc0];
}

/* The length of the value that begins the bytes; 0: it is not complete yet. */
static size_t value_length(const unsigned char *bytes, size_t len)
{
    size_t at = 0;

    for (uint64_t left = 1; left > 0; left--) {
        if (at >= len)
            return 0;
        struct head head = head_of(bytes[at++]);
        uint64_t count = 0;

        if (len - at < head.length)
            return 0;
        for (unsigned i = 0; i < head.length; i++)
            count = count << 8 | bytes[at++];
        left += head.children;
        at += head.extra;
        if (head.unit == UNIT_BYTE)
            at += count;
        else
            left += count * head.unit;
    }
    return at <= len ? at : 0;
}

static void prepare_reply(struct server *server)
{
    size_t body = server->response_bytes > 11 ? server->response_bytes - 11 : 0;

    memset(server->reply, 'x', sizeof server->reply);
    memcpy(server->reply, "\x94\x01\xce\0\0\0\0\xc0\xc5", 9);
    server->reply[9] = (unsigned char)(body >> 8);
    server->reply[10] = (unsigned char)(body & 0xff);
}

/* The reply to one request, whose msgid is a number of at most 32 bits. */
static bool answer_one(struct server *server, struct out *out, const unsigned char *request)
{
    uint32_t msgid = 0;
    unsigned width = request[2] < 0x80 ? 0 : request[2] < 0xcc ? 9 : 1U << (request[2] - 0xcc);

    if (request[0] != 0x94 || request[1] != 0 || width > 4 ||
        !ensure_out(out, server->response_bytes))
        return false;
    if (width == 0)
        msgid = request[2];
    for (unsigned i = 0; i < width; i++)
        msgid = msgid << 8 | request[3 + i];
    unsigned char *to = out->data + out->len;
    memcpy(to, server->reply, server->response_bytes);
    msgid = __builtin_bswap32(msgid);
    memcpy(to + 3, &msgid, sizeof msgid);
    out->len += server->response_bytes;
    return true;
}

static bool answer_bytes(struct server *server, struct connection *connection,
                         const unsigned char *bytes, size_t len)
{
    if (connection->partial_len > 0) {
        size_t room = MAX_MESSAGE - connection->partial_len;
        size_t taken = len < room ? len : room;

        memcpy(connection->partial + connection->partial_len, bytes, taken);
        size_t whole = value_length(connection->partial, connection->partial_len + taken);
        if (whole == 0) {
            connection->partial_len += taken;
            return taken == len;
        }
        if (!answer_one(server, &connection->ready, connection->partial))
            return false;
        bytes += whole - connection->partial_len;
        len -= whole - connection->partial_len;
        connection->partial_len = 0;
    }
    for (size_t whole; len > 0 && (whole = value_length(bytes, len)) > 0; bytes += whole) {
        if (!answer_one(server, &connection->ready, bytes))
            return false;
        len -= whole;
    }
    if (len > MAX_MESSAGE)
        return false;
    memcpy(connection->partial, bytes, len);
    connection->partial_len = len;
    return true;
}

/* ---- the bare echo ---- */

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
            sound = (server->answering ? answer_bytes : take_bytes)(
                server, connection, server->buffer_memory + (size_t)id * BUFFER_SIZE,
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

/* Sends what was gathered, unless a send is in flight: its completion calls this again. */
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
        assert(false); /* an unexpected event */
    }
}

/* One iteration: waits for events, handles all, then one send for each connection concerned. */
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
    (void)io_uring_register_ring_fd(&server->ring); /* costs a little speed if it fails */

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
                                             { "answer", no_argument, NULL, 'a' },
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
        else if (option == 'a')
            server.answering = true;
        else
            return 2;
    }
    if (server.answering && server.response_bytes < 12) {
        fprintf(stderr, "echo_server: a response with --answer has at least 12 bytes\n");
        return 2;
    }
    prepare_reply(&server);
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

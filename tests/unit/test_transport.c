/* SPDX-License-Identifier: Apache-2.0 */
/* The seam between a worker and its sockets: a worker works with any transport, a connection keeps
 * its listener when it is handed to another worker, and sockets do what the seam says. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/worker_io.h"
#include "tests/support/session_rig.h"

enum { WORKERS = 2, FD = 12345, TAG = 7, WAIT_NS = 1000000000, TRIES = 60 };

static struct session_rig session;
static struct shared shared;
static struct inbox inboxes[WORKERS];
static struct worker worker;

static void open_rig(void)
{
    session_rig_open(&session, NULL, NULL);
    shared = (struct shared){
        .service = session.service, .inboxes = inboxes, .listener_count = 2, .connections = 1
    };
    worker = (struct worker){
        .shared = &shared,
        .inbox = &inboxes[0],
        .executor = session.executor,
        .now = { .steady_ms = 1000, .engine_ms = SESSION_RIG_NOW_MS },
        .crowded_at = UINT64_MAX,
    };
    chunk_pool_init(&worker.chunks, 4);
}

static void close_rig(void)
{
    chunk_pool_destroy(&worker.chunks);
    session_rig_close(&session);
}

TestSuite(transport, .init = open_rig, .fini = close_rig);

/* ---- a transport that only notes what it is asked ---- */

static char asked[64]; /* a message each */
static struct received next_received;
static uint64_t send_to;

static void note(char what)
{
    size_t length = strlen(asked);
    cr_assert_lt(length + 1, sizeof asked);
    asked[length] = what;
}

static bool fake_open(struct link *link, struct chunk_pool *pool)
{
    cr_assert_eq(pool, &worker.chunks);
    link->greeting = GREETING_DONE;
    return true;
}

static void fake_receive(struct link *link, struct uring *ring, uint64_t tag)
{
    cr_assert_eq(tag_kind(tag), TAG_RECEIVE);
    (void)ring;
    link->in_flight.receive = true;
    note('r');
}

static struct received fake_received(struct link *link, const struct completion *completion)
{
    (void)link;
    (void)completion;
    return next_received;
}

static void fake_stop(struct link *link, struct uring *ring, uint64_t tag)
{
    (void)ring;
    (void)tag;
    link->in_flight.cancel = true;
    note('x');
}

static void fake_send(struct link *link, struct uring *ring, const struct out *out, uint64_t to,
                      uint64_t tag)
{
    cr_assert_eq(tag_kind(tag), TAG_SEND);
    cr_assert_leq(to, out_end(out));
    (void)ring;
    link->in_flight.send = true;
    send_to = to;
    note('s');
}

static int fake_sent(struct link *link, int result)
{
    link->in_flight.send = false;
    return result;
}

static bool fake_finish(struct link *link)
{
    (void)link;
    note('f');
    return true;
}

static void fake_abort(struct link *link)
{
    link->in_flight = (struct in_flight){ 0 }; /* at once */
    note('a');
}

static void fake_close(struct link *link)
{
    cr_assert_eq(link->fd, FD);
    note('c');
}

static const struct transport fake = {
    .open = fake_open,
    .receive = fake_receive,
    .received = fake_received,
    .stop_receiving = fake_stop,
    .send = fake_send,
    .sent = fake_sent,
    .finish = fake_finish,
    .abort = fake_abort,
    .close = fake_close,
};

static struct connection *adopt(void)
{
    shared.listeners[1].transport = &fake;
    worker_adopt(&worker, 1, FD);
    struct connection *connection = worker.lists.tail[LIST_ALL];
    cr_assert(connection, "the worker has no connection");
    cr_assert_eq(connection->link.listener, &shared.listeners[1]);
    worker_flush(&worker);
    return connection;
}

static void bytes_come(struct connection *connection, const char *bytes, size_t length)
{
    next_received =
        (struct received){ .bytes = (unsigned char *)(uintptr_t)bytes, .length = length };
    worker_on_receive(&worker, connection, &(struct completion){ .more = true });
    worker_flush(&worker);
}

static void all_is_sent(struct connection *connection)
{
    cr_assert(connection->link.in_flight.send, "nothing is being sent");
    worker_on_send(&worker, connection, (int)(send_to - connection->out.sent));
    worker_flush(&worker);
}

static void peer_ends(struct connection *connection)
{
    next_received = (struct received){ .ended = true };
    connection->link.in_flight.receive = false;
    worker_on_receive(&worker, connection, &(struct completion){ 0 });
    worker_flush(&worker);
}

static void assert_asked(const char *letters)
{
    cr_assert_str_eq(asked, letters);
}

Test(transport, a_worker_serves_a_connection_through_its_transport_alone)
{
    struct connection *connection = adopt();
    assert_asked("r");
    bytes_come(connection, "\x94\x00\x01\xa4ping\x90", 9);
    assert_asked("rs");
    all_is_sent(connection);
    peer_ends(connection);
    assert_asked("rsac");
    cr_assert_eq(worker.lists.count[LIST_ALL], 0);
    cr_assert_eq(atomic_load(&shared.connections), 0);
}

Test(transport, what_cannot_be_read_is_answered_then_finished_then_closed)
{
    struct connection *connection = adopt();
    bytes_come(connection, "GET / HTTP/1.1\r\n", 16);
    cr_assert_eq(connection->state, CONNECTION_CLOSING);
    assert_asked("rs");
    all_is_sent(connection);
    cr_assert_eq(connection->state, CONNECTION_LINGERING);
    assert_asked("rsf");
    peer_ends(connection);
    assert_asked("rsfac");
}

Test(transport, a_failed_send_breaks_the_connection)
{
    struct connection *connection = adopt();
    bytes_come(connection, "\x94\x00\x01\xa4ping\x90", 9);
    worker_on_send(&worker, connection, -1);
    worker_flush(&worker);
    assert_asked("rsac");
}

/* ---- between workers ---- */

static struct uring *open_ring(void)
{
    static const struct uring_config config = {
        .ids = 16, .completions = 64, .buffers = 4, .buffer_bytes = 4096, .rings = WORKERS
    };
    char why[256];
    struct uring *ring = uring_create(&config, why, sizeof why);
    cr_assert(ring, "%s", why);
    cr_assert_eq(uring_enable(ring), 0);
    return ring;
}

static struct completion next_completion(struct uring *ring)
{
    struct completion completion = { 0 };
    unsigned taken = 0;
    for (int i = 0; i < TRIES && taken == 0; i++) {
        cr_assert_eq(uring_wait(ring, WAIT_NS), 0);
        taken = uring_take(ring, &completion, 1);
    }
    cr_assert_eq(taken, 1, "no completion came in %d s", TRIES);
    return completion;
}

Test(transport, a_connection_keeps_its_listener_when_another_worker_gets_it)
{
    struct uring *other = open_ring();
    worker.ring = open_ring();
    shared.service.workers = WORKERS;
    inboxes[1].ring = uring_descriptor(other);
    worker.next_worker = 1;
    worker_on_accept(&worker, 1, &(struct completion){ .result = FD, .more = true });
    cr_assert_eq(uring_wait(worker.ring, 0), 0);
    struct completion message = next_completion(other);
    cr_assert_eq(tag_kind(message.tag), TAG_ADOPT);
    cr_assert_eq(tag_rest(message.tag), 1, "the message names the wrong listener");
    cr_assert_eq(message.result, FD);
    uring_destroy(other);
    uring_destroy(worker.ring);
}

/* ---- sockets ---- */

static struct listener unix_listener = { .fd = -1,
                                         .unix_socket = true,
                                         .transport = &socket_transport };

Test(transport, sockets_receive_send_finish_and_close)
{
    int ends[2];
    char bytes[16];
    struct out out;
    struct uring *ring = open_ring();
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct link link = { .fd = ends[0], .listener = &unix_listener };
    const struct transport *transport = link_transport(&link);

    transport->receive(&link, ring, TAG);
    cr_assert(link.in_flight.receive);
    cr_assert_eq(write(ends[1], "hello", 5), 5);
    struct completion completion = next_completion(ring);
    struct received received = transport->received(&link, &completion);
    cr_assert_eq(received.length, 5);
    cr_assert_eq(memcmp(received.bytes, "hello", 5), 0);
    cr_assert(!received.ended && !received.failed);
    uring_return_buffer(ring, completion.buffer);

    out_init(&out, &worker.chunks);
    out_append(&out, "world", 5);
    transport->send(&link, ring, &out, 4, TAG);
    completion = next_completion(ring);
    cr_assert_eq(transport->sent(&link, completion.result), 4, "not up to the offset alone");
    cr_assert_eq(read(ends[1], bytes, sizeof bytes), 4);
    out_destroy(&out);

    cr_assert(transport->finish(&link));
    cr_assert_eq(read(ends[1], bytes, sizeof bytes), 0, "the peer does not see the end");
    close(ends[1]);
    if (!link.in_flight.receive)
        transport->receive(&link, ring, TAG);
    completion = next_completion(ring);
    cr_assert(transport->received(&link, &completion).ended);
    cr_assert(link_is_idle(&link));
    transport->close(&link);
    uring_destroy(ring);
}

Test(transport, an_abort_ends_what_is_in_flight)
{
    int ends[2];
    struct uring *ring = open_ring();
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct link link = { .fd = ends[0], .listener = &unix_listener };
    const struct transport *transport = link_transport(&link);
    transport->receive(&link, ring, TAG);
    cr_assert_eq(uring_wait(ring, 0), 0);
    transport->abort(&link);
    struct completion completion = next_completion(ring);
    struct received received = transport->received(&link, &completion);
    cr_assert(received.ended || received.failed);
    cr_assert(link_is_idle(&link));
    transport->close(&link);
    close(ends[1]);
    uring_destroy(ring);
}

Test(transport, a_peer_is_named_by_its_process_or_as_gone)
{
    int ends[2];
    char name[64], wanted[64];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct link link = { .fd = ends[0], .listener = &unix_listener };
    snprintf(wanted, sizeof wanted, "process %d", (int)getpid());
    link_transport(&link)->name_peer(&link, name, sizeof name);
    cr_assert_str_eq(name, wanted);
    close(ends[0]);
    close(ends[1]);
    link_transport(&link)->name_peer(&link, name, sizeof name);
    cr_assert_str_eq(name, "a client that has gone");
}

Test(transport, what_a_completion_says_is_the_end_or_a_failure_or_passes)
{
    struct link link = { .listener = &unix_listener };
    const struct transport *transport = link_transport(&link);
    struct received received = transport->received(&link, &(struct completion){ .result = 0 });
    cr_assert(received.ended && !received.failed);
    received = transport->received(&link, &(struct completion){ .result = -ECONNRESET });
    cr_assert(!received.ended && received.failed);
    static const int passing[] = { -ENOBUFS, -ECANCELED, -EINTR, -EAGAIN };
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
        received = transport->received(&link, &(struct completion){ .result = passing[i] });
        cr_assert(!received.ended && !received.failed, "%d", passing[i]);
    }
}

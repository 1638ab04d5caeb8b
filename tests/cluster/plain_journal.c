/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cluster/plain_journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "cluster/steady.h"

enum { ID_BYTES = 8, LINE_MAX_BYTES = 600 };

void plain_tell(struct plain_journal *journal, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    int at = snprintf(line, sizeof line, "%llu %s ", (unsigned long long)cluster_now_us(),
                      journal->name);
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(line + at, sizeof line - (size_t)at - 1, format, arguments);
    va_end(arguments);
    size_t length = (size_t)at + (size_t)more;
    if (length > sizeof line - 2)
        length = sizeof line - 2;
    line[length] = '\n';
    ssize_t written = write(STDOUT_FILENO, line, length + 1); /* whole, whoever else writes */
    assert(written == (ssize_t)length + 1);
}

static void must(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    abort();
}

/* ---- batches ---- */

static uint64_t checksum_of(const unsigned char *bytes, size_t length)
{
    return XXH3_64bits(bytes + sizeof(uint64_t), length - sizeof(uint64_t));
}

static bool is_batch(const unsigned char *bytes, size_t length, struct plain_batch *batch)
{
    if (length < sizeof *batch)
        return false;
    memcpy(batch, bytes, sizeof *batch);
    return batch->length <= length - sizeof *batch &&
           checksum_of(bytes, sizeof *batch + batch->length) == batch->checksum;
}

static uint64_t last_checksum(const struct plain_journal *journal)
{
    return journal->last ? journal->checksums[journal->last - 1] : 0;
}

static void note_batch(struct plain_journal *journal, const struct plain_batch *batch)
{
    assert(batch->number == journal->last + 1 && batch->number <= PLAIN_BATCHES_MAX);
    journal->checksums[journal->last] = batch->checksum;
    journal->offsets[journal->last + 1] =
        journal->offsets[journal->last] + sizeof *batch + batch->length;
    journal->last = batch->number;
}

static void write_batch(struct plain_journal *journal, uint64_t number, const void *bytes)
{
    uint64_t from = journal->offsets[number - 1], to = journal->offsets[number];
    assert(number == journal->written + 1);
    must(pwrite(journal->fd, bytes, to - from, (off_t)from) == (ssize_t)(to - from), "pwrite");
    journal->written = number;
}

/* The next batch, in `bytes`; returns its length. */
static size_t make_batch(struct plain_journal *journal, unsigned char *bytes, size_t length)
{
    struct plain_batch batch = { .number = journal->last + 1,
                                 .previous = last_checksum(journal),
                                 .term = journal->term,
                                 .committed = journal->committed,
                                 .length = length };
    must(getrandom(&batch.word, sizeof batch.word, 0) == sizeof batch.word, "getrandom");
    memcpy(bytes, &batch, sizeof batch);
    for (size_t i = 0; i < length; i++)
        bytes[sizeof batch + i] = (unsigned char)(batch.word >> i % 8 * 8);
    batch.checksum = checksum_of(bytes, sizeof batch + length);
    memcpy(bytes, &batch, sizeof batch);
    note_batch(journal, &batch);
    return sizeof batch + length;
}

/* ---- the file ---- */

static void load(struct plain_journal *journal)
{
    struct stat stat;
    struct plain_batch batch;
    must(fstat(journal->fd, &stat) == 0, "fstat");
    size_t size = (size_t)stat.st_size, at = ID_BYTES;
    unsigned char *bytes = malloc(size + 1);
    must(bytes && pread(journal->fd, bytes, size, 0) == (ssize_t)size, "pread");
    journal->id = 0;
    if (size >= ID_BYTES)
        memcpy(&journal->id, bytes, ID_BYTES);
    journal->last = journal->sure = 0;
    journal->offsets[0] = ID_BYTES;
    while (at < size && is_batch(bytes + at, size - at, &batch) &&
           batch.number == journal->last + 1 && batch.previous == last_checksum(journal)) {
        note_batch(journal, &batch);
        journal->sure = batch.committed;
        at += sizeof batch + batch.length;
    }
    journal->written = journal->last;
    journal->committed = journal->sure;
    free(bytes);
}

static void start_fresh(struct plain_journal *journal, uint64_t id)
{
    must(ftruncate(journal->fd, 0) == 0, "ftruncate");
    must(pwrite(journal->fd, &id, sizeof id, 0) == sizeof id, "pwrite");
    load(journal);
}

void plain_open(struct plain_journal *journal)
{
    journal->fd = open(journal->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    must(journal->fd >= 0, journal->path);
    must(flock(journal->fd, LOCK_SH) == 0, "flock"); /* for plain_answers */
    load(journal);
    journal->term = 0;
    journal->holds = journal->is_hindered = journal->has_ended = false;
}

void plain_close(struct plain_journal *journal)
{
    close(journal->fd);
}

/* ---- the start ---- */

static void plain_say(void *context, const char *line)
{
    struct plain_journal *journal = context;
    fprintf(stderr, "%llu %s: %s\n", (unsigned long long)cluster_now_us(), journal->name, line);
}

static bool plain_name(void *context, struct text bytes, struct batch_name *name, char *why,
                       size_t size)
{
    struct plain_batch batch;
    (void)context;
    if (!is_batch((const unsigned char *)bytes.at, bytes.len, &batch)) {
        snprintf(why, size, "these bytes are no batch");
        return false;
    }
    *name = (struct batch_name){ batch.number, batch.checksum };
    return true;
}

static struct batch_name plain_last(void *context)
{
    struct plain_journal *journal = context;
    pthread_mutex_lock(&journal->lock);
    struct batch_name name = { journal->last, last_checksum(journal) };
    pthread_mutex_unlock(&journal->lock);
    return name;
}

static bool plain_found(void *context, struct journal_founding *founding, char *why, size_t size)
{
    struct plain_journal *journal = context;
    uint64_t id;
    (void)why;
    (void)size;
    must(getrandom(&id, sizeof id, 0) == sizeof id, "getrandom");
    pthread_mutex_lock(&journal->lock);
    start_fresh(journal, id | 1);
    unsigned char *bytes = journal->slots[0].bytes;
    size_t length = make_batch(journal, bytes, 0);
    write_batch(journal, 1, bytes);
    founding->common = (struct cluster_common){ .journal = id | 1, .segment_bytes = 1, .ids = 1 };
    founding->batch = (struct text){ (const char *)bytes, (uint32_t)length };
    founding->before = (struct cluster_trimmed){ 0 };
    pthread_mutex_unlock(&journal->lock);
    return true;
}

/* A journal of another id was made in vain: another node has founded the cluster. */
static bool plain_join(void *context, const struct cluster_common *common, uint64_t etcd_cluster,
                       char *why, size_t size)
{
    struct plain_journal *journal = context;
    pthread_mutex_lock(&journal->lock);
    bool good = etcd_cluster != 0 && (journal->id == common->journal || journal->last <= 1);
    if (journal->id != common->journal && good)
        start_fresh(journal, common->journal);
    pthread_mutex_unlock(&journal->lock);
    if (!good)
        snprintf(why, size, "the journal is another cluster's");
    return good;
}

static bool plain_answers(void *context, const char *address)
{
    (void)context;
    int fd = open(address, O_RDONLY | O_CLOEXEC);
    bool answers = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0;
    close(fd);
    return answers;
}

static uint64_t plain_sure(void *context)
{
    struct plain_journal *journal = context;
    return journal->sure;
}

static bool plain_checksum(void *context, uint64_t number, uint64_t *checksum)
{
    struct plain_journal *journal = context;
    pthread_mutex_lock(&journal->lock);
    bool there = number > 0 && number <= journal->last;
    *checksum = there ? journal->checksums[number - 1] : 0;
    pthread_mutex_unlock(&journal->lock);
    return there;
}

static bool plain_cut(void *context, uint64_t after, char *why, size_t size)
{
    struct plain_journal *journal = context;
    (void)why;
    (void)size;
    pthread_mutex_lock(&journal->lock);
    assert(after < journal->last && journal->written == journal->last);
    must(ftruncate(journal->fd, (off_t)journal->offsets[after]) == 0, "ftruncate");
    load(journal);
    assert(journal->last == after);
    pthread_mutex_unlock(&journal->lock);
    return true;
}

/* A peer's address is the path of its file. */
static bool copy_file(struct plain_journal *journal, const char *from)
{
    char chunk[1 << 16];
    ssize_t length;
    off_t at = 0;
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    must(ftruncate(journal->fd, 0) == 0, "ftruncate");
    while ((length = read(fd, chunk, sizeof chunk)) > 0) {
        must(pwrite(journal->fd, chunk, (size_t)length, at) == length, "pwrite");
        at += length;
    }
    close(fd);
    load(journal);
    must(ftruncate(journal->fd, (off_t)journal->offsets[journal->last]) == 0, "ftruncate");
    return true;
}

static bool plain_copy(void *context, const struct cluster_trimmed *trimmed,
                       const char *const addresses[], size_t count, char *why, size_t size)
{
    struct plain_journal *journal = context;
    bool good = false;
    pthread_mutex_lock(&journal->lock);
    for (size_t i = 0; i < count && !good; i++)
        good = copy_file(journal, addresses[i]) && journal->last >= trimmed->number &&
               journal->checksums[trimmed->number - 1] == trimmed->checksum;
    pthread_mutex_unlock(&journal->lock);
    if (!good)
        snprintf(why, size, "none has batch %llu", (unsigned long long)trimmed->number);
    return good;
}

static bool plain_begin(void *context, char *why, size_t size)
{
    struct plain_journal *journal = context;
    (void)why;
    (void)size;
    plain_tell(journal, "joined %llu", (unsigned long long)journal->last);
    return true;
}

/* ---- following ---- */

static bool plain_take(void *context, struct text bytes, char *why, size_t size)
{
    struct plain_journal *journal = context;
    struct plain_batch batch;
    bool good = is_batch((const unsigned char *)bytes.at, bytes.len, &batch);
    pthread_mutex_lock(&journal->lock);
    good = good && batch.number == journal->last + 1 && batch.previous == last_checksum(journal);
    if (good) {
        note_batch(journal, &batch);
        write_batch(journal, batch.number, bytes.at);
        journal->committed = batch.number;
    }
    pthread_mutex_unlock(&journal->lock);
    if (!good)
        snprintf(why, size, "it does not continue the journal");
    return good;
}

static uint64_t plain_keeps(void *context, uint64_t limit, uint64_t *lsn)
{
    struct plain_journal *journal = context;
    pthread_mutex_lock(&journal->lock);
    uint64_t number = journal->written < limit ? journal->written : limit;
    pthread_mutex_unlock(&journal->lock);
    *lsn = number * 100;
    return number;
}

/* ---- as the primary ---- */

static bool plain_serve(void *context, const struct cluster_term *term, char *why, size_t size)
{
    struct plain_journal *journal = context;
    (void)why;
    (void)size;
    pthread_mutex_lock(&journal->lock);
    plain_tell(journal, "serves %llu %llu", (unsigned long long)term->number,
               (unsigned long long)journal->last);
    journal->term = term->number;
    journal->committed = journal->last;
    journal->has_begun = false;
    pthread_mutex_unlock(&journal->lock);
    return true;
}

static void plain_committed(void *context, uint64_t number)
{
    struct plain_journal *journal = context;
    pthread_mutex_lock(&journal->lock);
    while (journal->committed < number) {
        journal->committed++;
        plain_tell(journal, "answered %llu %llu", (unsigned long long)journal->committed,
                   (unsigned long long)journal->checksums[journal->committed - 1]);
    }
    pthread_mutex_unlock(&journal->lock);
}

static void plain_hinder(void *context, enum node_hindrance hindrance)
{
    struct plain_journal *journal = context;
    pthread_mutex_lock(&journal->lock);
    journal->is_hindered = hindrance != NODE_UNHINDERED;
    pthread_mutex_unlock(&journal->lock);
    plain_tell(journal, "hindered %d", (int)hindrance);
}

static void plain_hold(void *context, bool held)
{
    struct plain_journal *journal = context;
    pthread_mutex_lock(&journal->lock);
    journal->holds = held;
    pthread_mutex_unlock(&journal->lock);
}

static bool plain_held(void *context, uint64_t *last)
{
    struct plain_journal *journal = context;
    *last = plain_last(journal).number;
    return true;
}

static void plain_replied(void *context, bool done, const char *why)
{
    plain_tell(context, "replied %d %s", (int)done, why);
}

static void plain_ended(void *context, enum node_end end, const char *why)
{
    struct plain_journal *journal = context;
    pthread_mutex_lock(&journal->lock);
    plain_tell(journal, "ended %d %s", (int)end, why);
    journal->term = 0;
    journal->end = end;
    journal->has_ended = true;
    pthread_mutex_unlock(&journal->lock);
}

struct own_journal plain_functions(struct plain_journal *journal)
{
    return (struct own_journal){
        .context = journal,
        .say = plain_say,
        .name = plain_name,
        .last = plain_last,
        .found = plain_found,
        .join = plain_join,
        .answers = plain_answers,
        .sure = plain_sure,
        .checksum = plain_checksum,
        .cut = plain_cut,
        .copy = plain_copy,
        .begin = plain_begin,
        .take = plain_take,
        .keeps = plain_keeps,
        .serve = plain_serve,
        .committed = plain_committed,
        .hinder = plain_hinder,
        .hold = plain_hold,
        .held = plain_held,
        .replied = plain_replied,
        .ended = plain_ended,
    };
}

/* ---- its clients and its disk ---- */

/* A slot is free once its batch is written and committed. */
static bool may_make(const struct plain_journal *journal)
{
    uint64_t done = journal->written < journal->committed ? journal->written : journal->committed;
    return journal->term != 0 && journal->last - done < PLAIN_SLOTS && !journal->holds &&
           !journal->is_hindered && (!journal->is_quiet || !journal->has_begun) &&
           journal->last < PLAIN_BATCHES_MAX;
}

static void make(struct plain_journal *journal)
{
    struct plain_slot *slot = &journal->slots[(journal->last + 1) % PLAIN_SLOTS];
    size_t most = journal->batch_max - sizeof(struct plain_batch);
    size_t length = (size_t)random_below(&journal->random, random_chance(&journal->random, 5)
                                                               ? (int)most
                                                               : (int)(most < 900 ? most : 900));
    if (!journal->has_begun)
        length = 0;
    journal->has_begun = true;
    length = make_batch(journal, slot->bytes, length);
    slot->due_us =
        cluster_now_us() + (uint64_t)random_below(&journal->random, (int)journal->late_us + 1);
    node_append(journal->node, journal->last,
                (struct text){ (const char *)slot->bytes, (uint32_t)length });
}

void plain_turn(struct plain_journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    while (journal->written < journal->last) {
        struct plain_slot *slot = &journal->slots[(journal->written + 1) % PLAIN_SLOTS];
        if (slot->due_us > cluster_now_us())
            break;
        write_batch(journal, journal->written + 1, slot->bytes);
    }
    while (may_make(journal)) {
        make(journal);
        if (random_chance(&journal->random, 50))
            break;
    }
    pthread_mutex_unlock(&journal->lock);
}

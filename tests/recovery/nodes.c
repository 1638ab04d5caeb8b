/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journals of a cluster's three nodes, with a log in memory in place of etcd. One leads, and
 * commits late or never; the others follow. Each may be killed, lose power within any call, or stop
 * cleanly, in any role; then what the primary appended is committed up to a point of chance, and
 * another node leads. Some clusters begin with the journal of an engine that ran alone.
 *
 *   - each opening succeeds, with whole records from the first one on
 *   - no node ends before what it said it keeps, nor beyond what is committed
 *   - at the end all segments of all nodes are the same, byte by byte
 *
 * nodes [SEED [CLUSTERS]]
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "persistence/segment.h"
#include "tests/support/fault_file.h"
#include "tests/support/journal_rig.h"
#include "tests/support/memory_log.h"
#include "tests/support/random.h"
#include "tests/support/scratch.h"

#ifdef __SANITIZE_THREAD__
enum { CLUSTERS = 4 };
#else
enum { CLUSTERS = 60 };
#endif
enum { NODES = 3, STEPS = 400 };

/* Power goes while batches that were never committed are cut off, one of which leads on. */
static const uint64_t pinned[] = { UINT64_C(1796048081) };

struct cluster;

struct node {
    struct cluster *cluster;
    unsigned index;
    char directory[PATH_MAX + 16];
    struct fault_disk *disk;
    struct replication_port port;
    struct rig rig; /* rig.journal: NULL if it is down */
    uint64_t said;  /* that it keeps */
    struct file_request pending[JOURNAL_SLOTS];
    unsigned count;
};

struct cluster {
    struct random random;
    uint64_t seed;
    struct scratch scratch;
    struct memory_log log;
    struct node nodes[NODES];
    struct node *primary; /* NULL: none */
    uint64_t directory_id;
    uint64_t before; /* records before the log's first batch */
    bool failed;
    unsigned lives, cuts, terms, uncommitted;
};

static uint64_t draw(struct cluster *cluster, uint64_t below)
{
    return random_next(&cluster->random) % below;
}

static void fail(const struct node *node, const char *what)
{
    printf("FAIL: seed %" PRIu64 ", node %u: %s: %s\n", node->cluster->seed, node->index, what,
           node->rig.why.text);
    node->cluster->failed = true;
}

/* ---- the log ---- */

static uint64_t records_of_batch(const struct memory_log *log, uint64_t number)
{
    const struct batch_header *header = memory_log_header(log, number);
    uint64_t count = 0;
    struct record_cursor records =
        records_of((const unsigned char *)header + sizeof *header, header->length, 0);
    while (record_next(&records))
        count++;
    return count;
}

/* That exist up to the end of that batch. */
static uint64_t records_up_to(const struct cluster *cluster, uint64_t number)
{
    uint64_t count = cluster->before;
    const struct memory_log *log = &cluster->log;
    for (uint64_t n = log->first; n != 0 && n <= number && n <= memory_log_last(log); n++)
        count += records_of_batch(log, n);
    return count;
}

static void append(void *context, uint64_t number, const void *batch, uint32_t length)
{
    struct node *node = context;
    struct memory_log *log = &node->cluster->log;
    assert(node->cluster->primary == node);
    log->port.append(log->port.context, number, batch, length);
}

static int compare(void *context, const struct replication_tail *tail, uint64_t *keep,
                   struct error *why)
{
    struct node *node = context;
    if (tail->number < node->said)
        return error_set(why, -EILSEQ, "ends with batch %" PRIu64 ", and keeps %" PRIu64,
                         tail->number, node->said);
    int error = memory_log_compare(&node->cluster->log, tail, keep);
    node->cluster->uncommitted += (unsigned)(tail->number - *keep);
    return error;
}

/* ---- lives ---- */

static void note_kept(struct node *node)
{
    uint64_t kept = journal_kept(node->rig.journal).number;
    if (kept > node->cluster->log.committed && node->cluster->log.first > 0)
        fail(node, "keeps what is not committed");
    if (kept < node->said)
        fail(node, "keeps less than before");
    node->said = kept;
}

static void open_node(struct node *node)
{
    struct cluster *cluster = node->cluster;
    bool cut = draw(cluster, 2) == 0;
    struct fault_plan plan = { .at = 1 + draw(cluster, 250), .kind = FAULT_POWER_CUT };
    fault_disk_plan(node->disk, cut ? plan : (struct fault_plan){ 0 });
    node->rig.directory_id = cluster->directory_id;
    int error = rig_open(&node->rig);
    node->count = 0;
    cluster->lives++;
    if (error && fault_disk_struck(node->disk)) {
        fault_disk_power_cut(node->disk);
        cluster->cuts++;
        return;
    }
    if (error || node->rig.wrong) {
        fail(node, "does not open");
        return;
    }
    struct journal_position end = journal_end(node->rig.journal);
    cluster->directory_id = end.directory_id;
    if (cluster->log.first > 0 && end.number > cluster->log.committed)
        fail(node, "has more than was committed");
    if (cluster->log.first > 0 && node->rig.found != records_up_to(cluster, end.number))
        fail(node, "has other records");
    note_kept(node);
}

/* The primary is gone: it has sent its batches, or not. */
static void settle(struct cluster *cluster)
{
    struct memory_log *log = &cluster->log;
    uint64_t last = memory_log_last(log);
    uint64_t open = last > log->committed ? last - log->committed : 0;
    memory_log_settle(log, log->committed + draw(cluster, open + 1));
    cluster->primary = NULL;
}

static void end_node(struct node *node)
{
    struct cluster *cluster = node->cluster;
    bool struck = fault_disk_struck(node->disk);
    bool clean = !struck && draw(cluster, 3) == 0;
    while (clean && node->count > 0) { /* as a server does before it closes its journal */
        struct file_request *last = &node->pending[node->count - 1];
        struct file_request request = *last;
        int result = file_perform(node->rig.files, &request);
        if (!journal_done(node->rig.journal, &request, result, last))
            node->count--;
    }
    if (!clean)
        rig_abandon(&node->rig);
    else if (rig_close(&node->rig) != 0 && !fault_disk_struck(node->disk))
        fail(node, "does not close");
    if (cluster->primary == node)
        settle(cluster);
    if (fault_disk_struck(node->disk) || draw(cluster, 3) == 0) {
        fault_disk_power_cut(node->disk);
        cluster->cuts++;
    }
    fault_disk_plan(node->disk, (struct fault_plan){ 0 });
}

/* A call of it has failed: only the power cut may be the reason. */
static void end_failed(struct node *node, const char *what)
{
    if (!fault_disk_struck(node->disk))
        fail(node, what);
    end_node(node);
}

/* ---- following ---- */

/* False: it is down now. */
static bool take_some(struct node *node, uint64_t most)
{
    const struct memory_log *log = &node->cluster->log;
    for (; most > 0; most--) {
        uint64_t next = journal_end(node->rig.journal).number + 1;
        const struct memory_batch *batch = memory_log_at(log, next);
        if (!batch || next > log->committed)
            break;
        if (journal_take(node->rig.journal, batch->bytes, batch->length, &node->rig.why) != 0) {
            end_failed(node, "does not take a batch");
            return false;
        }
        note_kept(node);
    }
    return true;
}

static bool flush(struct node *node)
{
    if (journal_flush(node->rig.journal, &node->rig.why) != 0) {
        end_failed(node, "does not write");
        return false;
    }
    note_kept(node);
    if (node->said != journal_end(node->rig.journal).number)
        fail(node, "keeps less than was written");
    return true;
}

/* ---- leading ---- */

static void lead(struct node *node)
{
    struct cluster *cluster = node->cluster;
    if (!take_some(node, UINT64_MAX))
        return;
    uint64_t end = journal_end(node->rig.journal).number;
    uint64_t records = cluster->log.first > 0 ? records_up_to(cluster, end) : node->rig.found;
    if (cluster->log.first == 0)
        cluster->before = records;
    cluster->primary = node;
    cluster->terms++;
    if (rig_lead(&node->rig, records) != 0)
        end_failed(node, "does not lead");
    else if (memory_log_last(&cluster->log) != end + 1)
        fail(node, "has not appended the first batch of its term");
}

static void take_requests(struct node *node)
{
    while (
        node->count < JOURNAL_SLOTS &&
        journal_next(node->rig.journal, draw(node->cluster, 2) != 0, &node->pending[node->count]))
        node->count++;
}

static void complete_any(struct node *node)
{
    struct file_request *any = &node->pending[draw(node->cluster, node->count)];
    struct file_request request = *any;
    *any = node->pending[--node->count];
    int result = file_perform(node->rig.files, &request);
    if (journal_done(node->rig.journal, &request, result, &node->pending[node->count]))
        node->count++;
    take_requests(node);
}

static void commit_some(struct node *node)
{
    struct memory_log *log = &node->cluster->log;
    uint64_t open = memory_log_last(log) - log->committed;
    if (open == 0)
        return;
    if (memory_log_commit(log, node->rig.journal, log->committed + 1 + draw(node->cluster, open)))
        take_requests(node);
    uint64_t acknowledged = rig_acknowledged(&node->rig);
    if (acknowledged > records_up_to(node->cluster, log->committed))
        fail(node, "acknowledged what is not committed");
}

static void work(struct node *node)
{
    struct cluster *cluster = node->cluster;
    for (uint64_t n = draw(cluster, 6); n > 0; n--)
        rig_append(&node->rig);
    node->rig.wall_ms += draw(cluster, 3) ? 40 : 0;
    take_requests(node);
    while (node->count > draw(cluster, JOURNAL_SLOTS))
        complete_any(node);
    if (draw(cluster, 3) != 0)
        commit_some(node);
    if (log_has_failed(&node->rig.log))
        end_failed(node, "has failed");
    else
        note_kept(node);
}

/* ---- a story ---- */

static void step(struct cluster *cluster)
{
    struct node *node = &cluster->nodes[draw(cluster, NODES)];
    if (!node->rig.journal) {
        open_node(node);
    } else if (draw(cluster, 25) == 0) {
        end_node(node);
    } else if (cluster->primary == node) {
        work(node);
    } else if (!cluster->primary && draw(cluster, 3) == 0) {
        lead(node);
    } else if (take_some(node, draw(cluster, 6)) && draw(cluster, 2)) {
        flush(node);
    }
    if (cluster->primary)
        work(cluster->primary);
}

/* Everybody has all that is committed, on disk. */
static void gather(struct cluster *cluster)
{
    if (cluster->primary)
        end_node(cluster->primary);
    for (unsigned i = 0; i < NODES && !cluster->failed; i++) {
        struct node *node = &cluster->nodes[i];
        while (!cluster->failed &&
               (!node->rig.journal || !take_some(node, UINT64_MAX) || !flush(node)))
            open_node(node);
    }
}

static bool same_segment(const struct node *a, const struct node *b, uint64_t sequence)
{
    char path[2][PATH_MAX + 64];
    size_t length[2];
    const struct node *nodes[2] = { a, b };
    for (unsigned i = 0; i < 2; i++) {
        snprintf(path[i], sizeof path[i], "%s/journal/%s", nodes[i]->directory,
                 segment_name(sequence).text);
        if (access(path[i], F_OK) != 0)
            return true; /* one that is not used yet: see the caller */
    }
    unsigned char *left = read_file(path[0], &length[0]);
    unsigned char *right = read_file(path[1], &length[1]);
    bool same = length[0] == length[1] && memcmp(left, right, length[0]) == 0;
    free(left);
    free(right);
    return same;
}

static void compare_all(struct cluster *cluster)
{
    const struct node *first = &cluster->nodes[0];
    for (unsigned i = 1; i < NODES && !cluster->failed; i++) {
        const struct node *node = &cluster->nodes[i];
        struct journal_metrics mine, other;
        journal_metrics(first->rig.journal, &mine);
        journal_metrics(node->rig.journal, &other);
        if (journal_end(node->rig.journal).checksum != journal_end(first->rig.journal).checksum)
            fail(node, "ends with another batch");
        uint64_t last = mine.sequence > other.sequence ? mine.sequence : other.sequence;
        for (uint64_t s = 1; s <= last + 1; s++)
            if (!same_segment(first, node, s))
                fail(node, segment_name(s).text);
    }
}

/* An engine that ran alone, in the first node's directory; the others begin with copies. Its power
 * has not been cut since. */
static void run_alone(struct cluster *cluster)
{
    struct rig *rig = &cluster->nodes[0].rig;
    const struct replication_port *port = rig->replication;
    rig->replication = NULL;
    rig->files = NULL;
    rig->durability = draw(cluster, 2) ? DURABILITY_EVERYSEC : DURABILITY_ALWAYS;
    for (uint64_t life = 1 + draw(cluster, 2); life > 0; life--) {
        int error = rig_open(rig);
        assert(!error);
        for (uint64_t n = draw(cluster, 40); n > 0; n--) {
            rig_append(rig);
            rig_drive(rig);
        }
        if (draw(cluster, 2))
            rig_close(rig);
        else
            rig_abandon(rig);
    }
    rig->replication = port;
    rig->files = fault_disk_ops(cluster->nodes[0].disk);
    rig->durability = DURABILITY_ALWAYS;
    for (unsigned i = 1; i < NODES; i++) {
        remove_tree(cluster->nodes[i].directory);
        copy_tree(cluster->nodes[0].directory, cluster->nodes[i].directory);
    }
}

static void make_node(struct cluster *cluster, unsigned index, uint32_t longest)
{
    struct node *node = &cluster->nodes[index];
    char attic[PATH_MAX + 16];
    *node = (struct node){ .cluster = cluster, .index = index };
    snprintf(node->directory, sizeof node->directory, "%s/node%u", cluster->scratch.path, index);
    snprintf(attic, sizeof attic, "%s/attic%u", cluster->scratch.path, index);
    mkdir(attic, 0700);
    node->disk = fault_disk_make(attic, cluster->seed + index);
    node->port = (struct replication_port){ .context = node, .append = append, .compare = compare };
    node->rig = (struct rig){ .directory = node->directory,
                              .segment_bytes = SEGMENT_BYTES_MIN << (cluster->seed & 1),
                              .files = fault_disk_ops(node->disk),
                              .replication = &node->port,
                              .seed = cluster->seed,
                              .wall_ms = 1700000000000,
                              .longest = longest };
}

static bool tell(uint64_t seed, struct cluster *sum)
{
    static struct cluster cluster;
    static const uint32_t longest[] = { 128, 4000, RECORD_MAX };
    cluster = (struct cluster){ .random = { seed }, .seed = seed };
    scratch_make(&cluster.scratch);
    memory_log_init(&cluster.log);
    uint32_t bytes = longest[draw(&cluster, 3)];
    for (unsigned i = 0; i < NODES; i++)
        make_node(&cluster, i, bytes);
    if (draw(&cluster, 2))
        run_alone(&cluster);
    while (!cluster.nodes[0].rig.journal && !cluster.failed) /* the founder */
        open_node(&cluster.nodes[0]);
    for (unsigned i = 0; i < STEPS && !cluster.failed; i++)
        step(&cluster);
    if (!cluster.failed)
        gather(&cluster);
    if (!cluster.failed)
        compare_all(&cluster);
    for (unsigned i = 0; i < NODES; i++) {
        if (cluster.nodes[i].rig.journal)
            rig_abandon(&cluster.nodes[i].rig);
        fault_disk_free(cluster.nodes[i].disk);
    }
    memory_log_free(&cluster.log);
    scratch_remove(&cluster.scratch);
    sum->lives += cluster.lives;
    sum->cuts += cluster.cuts;
    sum->terms += cluster.terms;
    sum->uncommitted += cluster.uncommitted;
    return !cluster.failed;
}

int main(int count, char **arguments)
{
    uint64_t seed = count > 1 ? strtoull(arguments[1], NULL, 0) : (uint64_t)time(NULL);
    uint64_t clusters = count > 2 ? strtoull(arguments[2], NULL, 0) : CLUSTERS;
    static struct cluster sum;
    bool good = true;
    printf("seed %" PRIu64 "\n", seed);
    for (size_t i = 0; i < sizeof pinned / sizeof *pinned && good; i++)
        good = tell(pinned[i], &sum);
    for (uint64_t i = 0; i < clusters && good; i++)
        good = tell(seed + i, &sum);
    printf("%u lives, %u power cuts, %u terms, %u batches cut off that were never committed\n",
           sum.lives, sum.cuts, sum.terms, sum.uncommitted);
    return good ? 0 : 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stock-journal/findings.h"

#include <inttypes.h>

#include "persistence/segment.h"

static void print_batches(FILE *file, const struct finding *finding)
{
    if (finding->first_number == 0 && finding->kind == FINDING_MISSING)
        fputs("its batches are", file);
    else if (finding->first_number == 0)
        fputs("bytes that belong to no batch are", file);
    else if (finding->last_number <= finding->first_number)
        fprintf(file, "batch %" PRIu64 " is", finding->first_number);
    else
        fprintf(file, "batches %" PRIu64 " to %" PRIu64 " are", finding->first_number,
                finding->last_number);
}

static void print_lost(FILE *file, const struct scrub *scrub, const struct finding *finding)
{
    if (finding->last_sequence > finding->sequence)
        fprintf(file, ", nor those up to %s", segment_name(finding->last_sequence).text);
    bool at_end = scrub->open && finding == &scrub->findings[scrub->count - 1];
    if (at_end)
        fputs("; nothing valid comes after it", file);
    else if (finding->end_lsn > finding->first_lsn)
        fprintf(file, "; lost: lsn %" PRIu64 " to %" PRIu64, finding->first_lsn, finding->end_lsn);
    if (!finding->promised && finding->first_number > 0)
        fputs("; it was never confirmed to be on disk", file);
}

void findings_print(FILE *file, const struct scrub *scrub)
{
    for (size_t i = 0; i < scrub->count; i++) {
        const struct finding *finding = &scrub->findings[i];
        if (finding->kind == FINDING_SNAPSHOT) {
            fprintf(file, "snapshot: %s\n", finding_words(finding->kind));
            continue;
        }
        if (finding->kind == FINDING_MARK) {
            fprintf(file, "%s: %s\n", STOP_MARK_NAME, finding_words(finding->kind));
            continue;
        }
        fprintf(file, "%s: offset %" PRIu64 ": ", segment_name(finding->sequence).text,
                finding->offset);
        if (finding->kind == FINDING_HEADER) {
            fprintf(file, "%s%s\n", finding_words(finding->kind),
                    finding->whole ? "; its batches can be read all the same" : "");
            continue;
        }
        print_batches(file, finding);
        fprintf(file, " %s", finding_words(finding->kind));
        print_lost(file, scrub, finding);
        fputc('\n', file);
    }
}

void findings_print_json(FILE *file, const struct scrub *scrub)
{
    static const char *const kinds[] = {
        [FINDING_DAMAGED] = "damaged",
        [FINDING_ABSENT] = "absent",
        [FINDING_MISSING] = "segment_missing",
        [FINDING_STRAY] = "stray",
        [FINDING_RECORDS] = "records",
        [FINDING_HEADER] = "header",
        [FINDING_CUT] = "cut_off",
        [FINDING_MARK] = "stop_mark",
        [FINDING_SNAPSHOT] = "snapshot",
    };
    fputc('[', file);
    for (size_t i = 0; i < scrub->count; i++) {
        const struct finding *f = &scrub->findings[i];
        fprintf(file,
                "%s{\"kind\":\"%s\",\"segment\":%" PRIu64 ",\"last_segment\":%" PRIu64
                ",\"offset\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"first_lsn\":%" PRIu64
                ",\"end_lsn\":%" PRIu64 ",\"first_batch\":%" PRIu64 ",\"last_batch\":%" PRIu64
                ",\"promised\":%s}",
                i > 0 ? "," : "", kinds[f->kind], f->sequence, f->last_sequence, f->offset,
                f->bytes, f->first_lsn, f->end_lsn, f->first_number, f->last_number,
                f->promised ? "true" : "false");
    }
    fputc(']', file);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to the book: their memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/history/book.h"

struct book_question *book_question_new(enum book_kind kind)
{
    struct book_question *question = calloc(1, sizeof *question);
    if (question)
        question->kind = kind;
    return question;
}

void book_question_free(struct book_question *question)
{
    if (!question)
        return;
    free(question->events);
    free(question->texts);
    free(question->pools);
    free(question);
}

static int make_room(void **at, size_t *room, size_t needed, size_t size)
{
    if (needed <= *room)
        return 0;
    size_t larger = *room ? 2 * *room : 64;
    while (larger < needed)
        larger *= 2;
    void *grown = realloc(*at, larger * size);
    if (!grown)
        return -ENOMEM;
    *at = grown;
    *room = larger;
    return 0;
}

/* The texts may still move: until they are settled, a text's place is kept in place of its address.
 */
static void keep_text(struct book_question *question, struct text *text)
{
    if (text->len == 0) {
        *text = (struct text){ NULL, 0 };
        return;
    }
    memcpy(question->texts + question->text_length, text->at, text->len);
    text->at = (const char *)(uintptr_t)question->text_length;
    question->text_length += text->len;
}

int book_keep(struct book_question *question, const struct book_event *event)
{
    size_t room = question->event_room;
    void *events = question->events;
    void *texts = question->texts;
    size_t more = (size_t)event->id.len + event->op.len + event->ref.len + event->reason.len;
    int error = make_room(&events, &room, question->event_count + 1, sizeof *event);
    question->events = events;
    question->event_room = (uint32_t)room;
    if (!error)
        error = make_room(&texts, &question->text_room, question->text_length + more, 1);
    question->texts = texts;
    if (error)
        return error;
    struct book_event *kept = &question->events[question->event_count++];
    *kept = *event;
    keep_text(question, &kept->id);
    keep_text(question, &kept->op);
    keep_text(question, &kept->ref);
    keep_text(question, &kept->reason);
    return 0;
}

static void settle_text(const struct book_question *question, struct text *text)
{
    if (text->len > 0)
        text->at = question->texts + (uintptr_t)text->at;
}

void book_settle_texts(struct book_question *question)
{
    for (uint32_t i = 0; i < question->event_count; i++) {
        struct book_event *event = &question->events[i];
        settle_text(question, &event->id);
        settle_text(question, &event->op);
        settle_text(question, &event->ref);
        settle_text(question, &event->reason);
    }
}

/* ---- returns ---- */

void book_begin_returned(struct book_question *question, const struct book_seen *seen)
{
    struct return_evidence *e = &question->evidence;
    e->known = seen->known;
    e->state = seen->known ? state_name(seen->state) : NULL;
    e->unproven = (int64_t)seen->fulfilled;
}

/* Events of the id: of the reservation itself, or of returns that name it. Others bear the id of
 * another operation, or, as steps whose `op` it is, no pool. */
void book_count_returned(struct book_question *question, const struct book_event *event)
{
    struct return_evidence *e = &question->evidence;
    struct text id = { question->filter.id, question->filter.id_len };
    bool of_item = event->has_pool && event->pool.item == question->filter.item;
    switch (event->record) {
    case RECORD_MOVEMENT:
        if (of_item && text_equal(event->ref, id) && strcmp(event->type, "return") == 0)
            e->returned += event->qty;
        return;
    case RECORD_RESERVE:
    case RECORD_EXTEND:
    case RECORD_CONFIRM:
    case RECORD_FULFIL:
    case RECORD_CANCEL:
    case RECORD_EXPIRE:
        if (!text_equal(event->id, id))
            return;
        e->known = true;
        e->state = event->state ? event->state : e->state;
        if (of_item && event->record == RECORD_FULFIL)
            e->fulfilled += event->qty;
        return;
    default:
        return;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "protocol/call.h"
#include "protocol/pack.h"

enum { RESPONSE = 1 };

/* [1, msgid, nil, ...; the result comes next. */
static inline unsigned char *put_result(unsigned char *at, uint32_t msgid)
{
    return put_nil(put_uint(put_uint(put_array(at, 4), RESPONSE), msgid));
}

void reply_map(struct call *call, uint32_t pairs, uint64_t lsn)
{
    assert(pairs >= 1 && pairs < 16);
    struct run run;
    unsigned char *at = put_result(run_begin(&run, call->out), call->msgid);
    at = PUT_KEY(put_map(at, pairs), "lsn");
    run_end(&run, call->out, put_uint(at, lsn));
    call->shown_lsn = lsn;
}

void reply_text(struct call *call, const char *text)
{
    struct run run;
    run_end(&run, call->out, put_result(run_begin(&run, call->out), call->msgid));
    pack_string(call->out, text);
}

/* Length of the well-formed UTF-8 character at the start of a string; 0: there is none. */
static uint32_t character_at(const char *string)
{
    for (uint32_t length = 1; length <= 4; length++) {
        if (string[length - 1] == '\0')
            return 0;
        if (text_is_utf8((struct text){ string, length }))
            return length;
    }
    return 0;
}

/* Messages quote what clients sent and may be cut anywhere: bytes that are not UTF-8 become '?'. */
static void pack_message(struct out *out, const char *message)
{
    char clean[1024];
    uint32_t to = 0;
    if (text_is_utf8(text_of(message))) {
        pack_string(out, message);
        return;
    }
    for (const char *from = message; *from && to + 4 < sizeof clean;) {
        uint32_t length = character_at(from);
        if (length == 0)
            clean[to++] = '?';
        else
            memcpy(clean + to, from, length);
        to += length;
        from += length ? length : 1;
    }
    pack_text(out, (struct text){ clean, to });
}

/* [1, msgid, [code, message, ...; the details and the result come next. */
static void begin_error(struct out *out, uint32_t msgid, enum code code, const char *message)
{
    pack_array(out, 4);
    pack_uint(out, RESPONSE);
    pack_uint(out, msgid);
    pack_array(out, 3);
    pack_string(out, code_name(code));
    pack_message(out, message);
}

void refuse_read_only(struct refusal *refusal, const char *reason)
{
    refuse(refusal, CODE_READ_ONLY, NULL, "the journal cannot be written: %s", reason);
}

static void pack_param(struct out *out, const char *param)
{
    pack_map(out, param ? 1 : 0);
    if (param)
        pack_key_string(out, "param", param);
}

static void pack_details(struct out *out, const struct refusal *refusal)
{
    pack_map(out, (refusal->param != NULL) + (refusal->right != NULL) + (refusal->retry_ms > 0));
    if (refusal->param)
        pack_key_string(out, "param", refusal->param);
    if (refusal->right)
        pack_key_string(out, "right", refusal->right);
    if (refusal->retry_ms > 0)
        pack_key_uint(out, "retry_after_ms", refusal->retry_ms);
}

static void pack_refusal(struct out *out, uint32_t msgid, const struct refusal *refusal)
{
    begin_error(out, msgid, refusal->code, refusal->message);
    pack_details(out, refusal);
    pack_nil(out);
}

void reply_bad_message(struct out *out, uint32_t msgid, const struct refusal *refusal)
{
    pack_refusal(out, msgid, refusal);
}

static void pack_shortfall(struct out *out, const struct shortfall *line, const char *available)
{
    pack_key_text(out, "sku", line->sku);
    pack_key_int(out, "wanted", line->wanted);
    pack_key_int(out, available, line->available);
}

/* Packs its state, and the lines that fell short; a single line's keys also stand at the top level,
 * for clients that asked for one. */
static void pack_failure(struct out *out, const struct failure *failure, const char *available)
{
    unsigned lines = failure->short_count;
    pack_map(out, (failure->state != NULL) + (lines > 0) + (lines == 1 ? 3 : 0));
    if (failure->state)
        pack_key_string(out, "state", failure->state);
    if (lines == 1)
        pack_shortfall(out, &failure->shorts[0], available);
    if (lines > 0) {
        pack_string(out, "lines");
        pack_array(out, lines);
    }
    for (unsigned i = 0; i < lines; i++) {
        pack_map(out, 3);
        pack_shortfall(out, &failure->shorts[i], available);
    }
}

static void pack_stale(struct out *out, const struct failure *failure)
{
    pack_map(out, 1);
    pack_key_int(out, "on_hand", failure->on_hand);
}

/* Packs what the code says is missing, if the request names exactly one such thing. */
static void pack_subject(struct call *call, enum code code)
{
    const struct {
        enum code code;
        const char *key;
        struct text text;
    } subjects[] = {
        { CODE_UNKNOWN_SKU, "sku", call->sku },
        { CODE_UNKNOWN_LOCATION, "location", call->location },
        { CODE_UNKNOWN_CHANNEL, "channel", call->channel },
        { CODE_UNKNOWN_RESERVATION, "id", call->id },
        { CODE_CONFLICT, "id", call->id },
    };
    for (unsigned i = 0; i < sizeof subjects / sizeof *subjects; i++) {
        if (subjects[i].code != code || !text_given(subjects[i].text))
            continue;
        pack_map(call->out, 1);
        pack_string(call->out, subjects[i].key);
        pack_bytes(call->out, subjects[i].text);
        return;
    }
    pack_map(call->out, 0);
}

/* Where to go instead. */
static void pack_primary(const struct call *call)
{
    struct primary primary = role_primary(call->service->role);
    pack_map(call->out, 2);
    pack_key_string(call->out, "address", primary.address[0] ? primary.address : NULL);
    pack_key_uint(call->out, "term", primary.term);
}

void reply_error(struct call *call, enum code code)
{
    assert(code != CODE_OK);
    assert(code != CODE_DEFERRED);
    if (call->refusal.code == CODE_NOT_PRIMARY) {
        begin_error(call->out, call->msgid, code, call->refusal.message);
        pack_primary(call);
        pack_nil(call->out);
        return;
    }
    if (call->refusal.code != CODE_OK) {
        pack_refusal(call->out, call->msgid, &call->refusal);
        return;
    }
    const struct failure *failure = ctx_failure(call->ctx);
    begin_error(call->out, call->msgid, code, failure->message);
    if (code == CODE_INSUFFICIENT_STOCK)
        pack_failure(call->out, failure, "available");
    else if (code == CODE_WRONG_STATE)
        pack_failure(call->out, failure, "left");
    else if (code == CODE_BAD_REQUEST || code == CODE_TOO_LARGE)
        pack_param(call->out, failure->param);
    else if (code == CODE_STALE)
        pack_stale(call->out, failure);
    else
        pack_subject(call, code);
    pack_nil(call->out);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* words.c - a line of the shell as words. */
#include "tools/stockctl/shell/words.h"

#include <stdlib.h>
#include <string.h>

#include "tools/stockctl/ctl.h"

enum place { BETWEEN, INSIDE, COMMENT };

/* A line being read. */
struct reader {
    struct words *words;
    char *text; /* of the word that is being read */
    size_t len;
    enum place place;
    char quote;        /* that is open, or 0 */
    bool backslash;    /* the character before was one, and means the next one itself */
    bool wants_file;   /* a > was read, and no word yet */
    bool redirected;   /* by this or an earlier > */
    const char *wrong; /* the first thing that is wrong */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void end_word(struct reader *reader)
{
    struct words *words = reader->words;
    char *word = text_format("%.*s", (int)reader->len, reader->text);

    reader->len = 0;
    reader->place = BETWEEN;
    if (reader->wants_file) {
        free(words->into); /* of an earlier >, which is an error */
        words->into = word;
        reader->wants_file = false;
        return;
    }
    words->word = must_grow(words->word, words->count + 2, sizeof(*words->word));
    words->word[words->count++] = word;
    words->word[words->count] = NULL;
}

/* > or >>, between two words. */
static void take_redirection(struct reader *reader)
{
    if (reader->wants_file && !reader->words->append && reader->words->into == NULL) {
        reader->words->append = true;
        return;
    }
    if (reader->redirected)
        reader->wrong = "the output can go to one file";
    reader->redirected = reader->wants_file = true;
}

static void take_between(struct reader *reader, char c)
{
    if (is_blank(c))
        return;
    if (c == '#' || c == '>') {
        if (c == '#')
            reader->place = COMMENT;
        else
            take_redirection(reader);
        return;
    }
    reader->place = INSIDE;
    if (c == '\'' || c == '"')
        reader->quote = c;
    else if (c == '\\')
        reader->backslash = true;
    else
        reader->text[reader->len++] = c;
}

static void take_quoted(struct reader *reader, char c)
{
    if (c == reader->quote)
        reader->quote = 0;
    else if (c == '\\' && reader->quote == '"')
        reader->backslash = true;
    else
        reader->text[reader->len++] = c;
}

static void take_escaped(struct reader *reader, char c)
{
    reader->backslash = false;
    if (reader->quote == '"' && c != '"' && c != '\\')
        reader->text[reader->len++] = '\\'; /* as a shell has it */
    reader->text[reader->len++] = c;
}

static void take(struct reader *reader, char c)
{
    if (reader->place == COMMENT)
        return;
    if (reader->backslash)
        take_escaped(reader, c);
    else if (reader->quote != 0)
        take_quoted(reader, c);
    else if (reader->place == BETWEEN)
        take_between(reader, c);
    else if (is_blank(c))
        end_word(reader);
    else if (c == '\'' || c == '"')
        reader->quote = c;
    else if (c == '\\')
        reader->backslash = true;
    else
        reader->text[reader->len++] = c;
}

static struct reader read_words(const char *line, size_t len, struct words *words)
{
    struct reader reader = { .words = words };

    *words = (struct words){ 0 };
    words->word = must_alloc(1, sizeof(*words->word));
    reader.text = must_alloc(2 * len + 1, 1); /* a backslash may stay before its character */
    for (size_t i = 0; i < len; i++)
        take(&reader, line[i]);
    return reader;
}

const char *words_split(const char *line, struct words *words)
{
    struct reader reader = read_words(line, strlen(line), words);

    if (reader.quote == '\'')
        reader.wrong = "a ' is not closed";
    else if (reader.quote == '"')
        reader.wrong = "a \" is not closed";
    else if (reader.backslash)
        reader.wrong = "nothing follows the last backslash";
    else if (reader.place == INSIDE)
        end_word(&reader);
    if (reader.wrong == NULL && reader.wants_file)
        reader.wrong = "no file follows the >";
    free(reader.text);
    return reader.wrong;
}

void words_until(const char *line, size_t len, struct words *before, struct last_word *last)
{
    struct reader reader = read_words(line, len, before);

    *last = (struct last_word){
        .text = text_format("%.*s", (int)reader.len, reader.text),
        .quote = reader.quote,
        .is_file = reader.wants_file,
        .is_comment = reader.place == COMMENT || reader.backslash,
    };
    free(reader.text);
}

void words_free(struct words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->word[i]);
    free(words->word);
    free(words->into);
    *words = (struct words){ 0 };
}

/* Whether the character must be escaped there. */
static bool is_special(char c, char quote)
{
    if (quote == '"')
        return c == '"' || c == '\\';
    return quote == 0 && (is_blank(c) || strchr("'\"\\#>", c) != NULL);
}

char *words_quoted(const char *text, char quote)
{
    char *quoted = must_alloc(4 * strlen(text) + 1, 1);
    size_t len = 0;

    for (; *text != '\0'; text++) {
        if (quote == '\'' && *text == '\'') { /* it closes, is escaped, and opens again */
            memcpy(quoted + len, "'\\''", 4);
            len += 4;
            continue;
        }
        if (is_special(*text, quote))
            quoted[len++] = '\\';
        quoted[len++] = *text;
    }
    return quoted;
}

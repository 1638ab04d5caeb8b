/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of stockctl's shell as words; what is typed for a text; which lines are remembered. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/scratch.h"
#include "tools/stockctl/shell/candidates.h"
#include "tools/stockctl/shell/history_file.h"
#include "tools/stockctl/shell/words.h"

/* Compares with "one|two". */
static void expect(const char *line, const char *expected)
{
    struct words words;
    char got[256] = "";
    const char *wrong = words_split(line, &words);

    cr_assert_null(wrong, "'%s': %s", line, wrong);
    for (size_t i = 0; i < words.count; i++)
        snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", i > 0 ? "|" : "",
                 words.word[i]);
    cr_expect_str_eq(got, expected, "'%s' gives %s, not %s", line, got, expected);
    cr_expect_null(words.word[words.count]);
    words_free(&words);
}

static void expect_wrong(const char *line, const char *said)
{
    struct words words;
    const char *wrong = words_split(line, &words);

    cr_expect(wrong != NULL && strstr(wrong, said) != NULL, "'%s': %s", line,
              wrong != NULL ? wrong : "nothing is wrong");
    words_free(&words);
}

Test(shell_words, blanks_separate)
{
    expect("", "");
    expect(" \t\n", "");
    expect("ping", "ping");
    expect("  stock \t MUG\r\n", "stock|MUG");
}

Test(shell_words, quotes_keep_what_they_hold)
{
    expect("a 'b c' d", "a|b c|d");
    expect("a \"b  c\"", "a|b  c");
    expect("''", "");
    expect("a '' b", "a||b");
    expect("x'y z'\"w v\"u", "xy zw vu");
    expect("'a\"b' \"a'b\"", "a\"b|a'b");
    expect("'a\\b'", "a\\b");
    expect("\"a\\\"b\\\\c\\d\"", "a\"b\\c\\d");
    expect("'#1' '>'", "#1|>");
}

Test(shell_words, a_backslash_keeps_one_character)
{
    expect("a\\ b", "a b");
    expect("\\# \\> \\' \\\" \\\\", "#|>|'|\"|\\");
    expect("\\a\\b", "ab");
}

Test(shell_words, a_comment_begins_at_a_word)
{
    expect("# nothing", "");
    expect("stock MUG # red", "stock|MUG");
    expect("stock MUG#2", "stock|MUG#2");
    expect("a 'b' #'", "a|b");
}

Test(shell_words, nothing_else_is_special)
{
    expect("$HOME *.csv ~ a|b `x` $(y) a&b;c", "$HOME|*.csv|~|a|b|`x`|$(y)|a&b;c");
    expect("caf\xc3\xa9 \xe2\x82\xac", "caf\xc3\xa9|\xe2\x82\xac");
}

Test(shell_words, what_is_left_open_is_an_error)
{
    expect_wrong("a 'b", "' is not closed");
    expect_wrong("a \"b'", "\" is not closed");
    expect_wrong("a \\", "backslash");
    expect_wrong("a \"b\\", "is not closed");
    expect_wrong("a >", "no file");
    expect_wrong("a > b > c", "one file");
}

Test(shell_words, output_goes_to_a_file)
{
    struct words words;

    cr_assert_null(words_split("export stock > 'my stock.csv'", &words));
    cr_expect_eq(words.count, 2);
    cr_expect_str_eq(words.into, "my stock.csv");
    cr_expect_not(words.append);
    words_free(&words);
    cr_assert_null(words_split("changes >>log --json", &words));
    cr_expect_eq(words.count, 2);
    cr_expect_str_eq(words.into, "log");
    cr_expect(words.append);
    words_free(&words);
}

static void expect_last(const char *line, size_t before, const char *text, char quote)
{
    struct words words;
    struct last_word last;

    words_until(line, strlen(line), &words, &last);
    cr_expect_eq(words.count, before, "'%s': %zu words before the last", line, words.count);
    cr_expect_str_eq(last.text, text, "'%s' ends in '%s'", line, last.text);
    cr_expect_eq(last.quote, quote);
    words_free(&words);
    free(last.text);
}

Test(shell_words, the_last_word_is_being_typed)
{
    expect_last("", 0, "", 0);
    expect_last("sto", 0, "sto", 0);
    expect_last("stock ", 1, "", 0);
    expect_last("stock 'MUG R", 1, "MUG R", '\'');
    expect_last("stock \"MUG R", 1, "MUG R", '"');
    expect_last("stock MUG\\ R", 1, "MUG R", 0);
}

/* What is typed for a text is read as that text again, whichever quote is open. */
Test(shell_words, what_is_typed_is_read_again)
{
    static const char *const texts[] = {
        "MUG", "MUG RED", "a'b", "a\"b", "a\\b", "#1", ">", "'\\\""
    };
    static const char quotes[] = { 0, '\'', '"' };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        for (size_t q = 0; q < sizeof(quotes); q++) {
            char mark[2] = { quotes[q], '\0' };
            char line[64];
            char *typed = words_quoted(texts[i], quotes[q]);
            snprintf(line, sizeof(line), "%s%s%s", mark, typed, mark);
            expect(line, texts[i]);
            free(typed);
        }
    }
}

Test(shell_words, candidates_continue_and_can_be_typed)
{
    struct candidates candidates = { .typed = "M" };
    static const char *const names[] = { "MUG",   "TEE",  "M\033[2J", "M\xc2\x9b",
                                         "M\xff", "MUGS", "MUG" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        candidates_try(&candidates, names[i], strlen(names[i]));
    candidates_sort(&candidates);
    cr_assert_eq(candidates.count, 2);
    cr_expect_str_eq(candidates.text[0], "MUG");
    cr_expect_str_eq(candidates.text[1], "MUGS");
    cr_expect_eq(candidates_common(&candidates), 3);
    candidates_free(&candidates);
}

Test(shell_words, a_character_is_never_cut)
{
    struct candidates candidates = { .typed = "" };

    candidates_try(&candidates, "x\xc3\xa9", 3);
    candidates_try(&candidates, "x\xc3\xa8", 3);
    cr_expect_eq(candidates_common(&candidates), 1);
    candidates_free(&candidates);
}

/* ---- what is remembered ---------------------------------------------------------------------- */

#define TOKEN "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE"

Test(shell_history, no_line_with_a_token)
{
    cr_expect(history_may_keep("stock MUG"));
    cr_expect(history_may_keep("item set MUG --name 'Caf\xc3\xa9'"));
    cr_expect_not(history_may_keep(""));
    cr_expect_not(history_may_keep(" stock MUG"));
    cr_assert_eq(strlen(TOKEN), 43);
    cr_expect_not(history_may_keep("token test " TOKEN " --tokens t"));
    cr_expect_not(history_may_keep("x='" TOKEN "'"));
    cr_expect(history_may_keep("stock 0123456789012345678901234567890123456789"));
    cr_expect_not(history_may_keep("stock \033[2J"));
    cr_expect_not(history_may_keep("stock \xff"));
}

static size_t lines;
static char last[64];

static void take(void *context, const char *line)
{
    (void)context;
    lines++;
    snprintf(last, sizeof(last), "%s", line);
}

Test(shell_history, a_file_of_our_own_with_the_last_lines)
{
    struct scratch folder;
    char path[PATH_MAX + 32];
    struct stat status;

    scratch_make(&folder);
    snprintf(path, sizeof(path), "%s/a/b/history", folder.path);
    history_read_lines(path, take, NULL);
    cr_expect_eq(lines, 0);
    for (int i = 0; i < 2 * HISTORY_LINES; i++) {
        char line[32];
        snprintf(line, sizeof(line), "stock SKU-%d", i);
        history_add_line(path, line);
    }
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0600);
    off_t whole = status.st_size;
    history_read_lines(path, take, NULL);
    cr_expect_eq(lines, HISTORY_LINES);
    cr_expect_str_eq(last, "stock SKU-1999");
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_lt(status.st_size, whole * 2 / 3, "it was not cut");
    cr_expect_eq(status.st_mode & 0777, 0600);
    cr_assert_eq(chmod(path, 0644), 0);
    history_add_line(path, "ping");
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0600);
    scratch_remove(&folder);
}

Test(shell_history, no_other_file_behind_a_link)
{
    struct scratch folder;
    char path[PATH_MAX + 32];
    char other[PATH_MAX + 32];

    scratch_make(&folder);
    snprintf(path, sizeof(path), "%s/history", folder.path);
    snprintf(other, sizeof(other), "%s/other", folder.path);
    cr_assert_eq(symlink(other, path), 0);
    history_add_line(path, "ping");
    cr_expect_neq(access(other, F_OK), 0, "it was written through a symbolic link");
    scratch_remove(&folder);
}

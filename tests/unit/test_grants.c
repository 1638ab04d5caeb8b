/* SPDX-License-Identifier: Apache-2.0 */
/* The tokens file: what its lines say, what is wrong with them, and how it is changed. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/grants.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct grants grants;
static char why[512];

static bool read_text(const char *text)
{
    grants_free(&grants);
    why[0] = '\0';
    return grants_read(&grants, text, strlen(text), why, sizeof why);
}

static void forget(void)
{
    grants_free(&grants);
}

TestSuite(grants, .fini = forget);

/* ---- reading ---- */

Test(grants, a_line_says_who_may_do_what)
{
    cr_assert(read_text("# ours\n\n"
                        "web sha256:" HASH
                        " can=read,order channels=web,market-* locations=s1,@north "
                        "expires=2027-01-31T18:30:00Z rate=100 burst=20 connections=3 "
                        "subscriptions=1\r\n"
                        "shop uid:1000 can=*\n"
                        "till cert:till.example can=read"),
              "%s", why);
    cr_assert_eq(grants.count, 3);
    const struct grant *web = grants_named(&grants, "web");
    cr_assert_not_null(web);
    cr_assert_eq(web->verbs, VERB_READ | VERB_ORDER);
    cr_assert_eq(web->expires_ms, UINT64_C(1801420200000));
    cr_assert_eq(web->rate, 100);
    cr_assert_eq(web->burst, 20);
    cr_assert_eq(web->connections, 3);
    cr_assert_eq(web->subscriptions, 1);
    cr_assert_eq(grants_with_uid(&grants, 1000)->verbs, VERBS_ALL);
    cr_assert_null(grants_with_uid(&grants, 0));
    cr_assert_str_eq(grants_with_certificate(&grants, "till.example")->name, "till");
    cr_assert_null(grants_with_certificate(&grants, "till"));
    cr_assert_null(grants_named(&grants, "nobody"));
}

Test(grants, patterns_match_codes_prefixes_and_groups)
{
    cr_assert(read_text("web sha256:" HASH " channels=web,market-* locations=s1,@north"), "%s",
              why);
    const struct grant *web = &grants.at[0];
    cr_assert(patterns_match(&web->channels, "web", 3));
    cr_assert_not(patterns_match(&web->channels, "we", 2));
    cr_assert_not(patterns_match(&web->channels, "web2", 4));
    cr_assert(patterns_match(&web->channels, "market-a", 8));
    cr_assert(patterns_match(&web->channels, "market-", 7));
    cr_assert_not(patterns_match(&web->channels, "market", 6));
    cr_assert(patterns_match(&web->locations, "s1", 2));
    cr_assert_not(patterns_match(&web->locations, "north", 5), "a group is no location");
    cr_assert(patterns_match_group(&web->locations, "north", 5));
    cr_assert_not(patterns_match_group(&web->locations, "s1", 2), "a location is no group");
}

Test(grants, what_is_not_given_is_not_granted)
{
    cr_assert(read_text("web sha256:" HASH), "%s", why);
    cr_assert_eq(grants.at[0].verbs, 0);
    cr_assert_not(patterns_match(&grants.at[0].channels, "web", 3));
    cr_assert_not(patterns_match_group(&grants.at[0].locations, "north", 5));
}

Test(grants, a_star_alone_is_everything)
{
    cr_assert(read_text("web sha256:" HASH " channels=* locations=*"), "%s", why);
    cr_assert(grants.at[0].channels.all && grants.at[0].locations.all);
    cr_assert(patterns_match(&grants.at[0].channels, "any", 3));
}

/* Each is wrong in line 2, for that reason. */
static const struct {
    const char *line, *why;
} wrong_lines[] = {
    { "web", "sha256:" },
    { "we/b sha256:" HASH, "begins with a name" },
    { "web secret", "sha256:" },
    { "web sha256:" HASH "0", "sha256:" },
    { "web sha256:0123", "sha256:" },
    { "web sha256:" HASH " can=", "can: number 1 is no right" },
    { "web sha256:" HASH " can=read,,order", "can: number 2 is no right" },
    { "web sha256:" HASH " can=write", "can: number 1 is no right" },
    { "web sha256:" HASH " channels=", "channels" },
    { "web sha256:" HASH " channels=@north", "channels" },
    { "web sha256:" HASH " channels=web,a*b", "channels: number 2 is no code" },
    { "web sha256:" HASH " channels=seCReT!", "channels: number 1 is no code" },
    { "web sha256:" HASH " locations=@", "locations" },
    { "web sha256:" HASH " locations=123456789012345678901234567890123", "locations" },
    { "web sha256:" HASH " expires=tomorrow", "expires" },
    { "web sha256:" HASH " expires=2027-02-29", "expires" },
    { "web sha256:" HASH " expires=2027-02-28T24:00:00Z", "expires" },
    { "web sha256:" HASH " expires=2027-02-28T12:00:00", "expires" },
    { "web sha256:" HASH " rate=0", "rate" },
    { "web sha256:" HASH " rate=4294967296", "rate" },
    { "web sha256:" HASH " rate=many", "rate" },
    { "web sha256:" HASH " colour=red", "unknown setting" },
    { "web sha256:" HASH " channels=\"\x01x\"", "channels" },
    { "web uid:-1", "uid:" },
    { "web cert:", "cert:" },
    { "first sha256:" HASH, "name is there already" },
    { "web sha256:" OTHER, "same token" },
};

Test(grants, a_bad_line_is_named_and_leaves_nothing)
{
    char text[1024];
    for (size_t i = 0; i < sizeof wrong_lines / sizeof *wrong_lines; i++) {
        snprintf(text, sizeof text, "first sha256:" OTHER " channels=a,b\n%s\nlast uid:1\n",
                 wrong_lines[i].line);
        cr_assert_not(read_text(text), "%s", wrong_lines[i].line);
        cr_assert(strncmp(why, "line 2: ", 8) == 0 && strstr(why, wrong_lines[i].why), "%s: %s",
                  wrong_lines[i].line, why);
        cr_assert_eq(grants.count, 0);
        cr_assert_null(strchr(why, '\n'));
        cr_assert_null(strchr(why, '"'), "a quotation: %s", why);
    }
}

/* Somebody may write the token itself where its hash belongs, and the message goes to a log. */
Test(grants, what_may_be_a_token_is_never_quoted)
{
    static const char token[] = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF";
    static const char *const lines[] = { "web %s", "web sha256:%s", "web sha256:" HASH " %s" };
    char text[512];
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        snprintf(text, sizeof text, "%.*s%s", (int)(strchr(lines[i], '%') - lines[i]), lines[i],
                 token);
        cr_assert_not(read_text(text));
        cr_assert_null(strstr(why, token), "%s", why);
    }
}

Test(grants, a_line_is_written_as_it_is_read)
{
    static const char line[] = "web sha256:" HASH " can=read,order,admin channels=web,market-*,* "
                               "locations=s1,@north,@s-* expires=2027-01-31T18:30:00Z rate=100 "
                               "burst=20 connections=3 subscriptions=1";
    static char written[GRANT_LINE_MAX];
    cr_assert(read_text(line), "%s", why);
    grant_write(&grants.at[0], written, sizeof written);
    cr_assert_str_eq(written, line);
}

/* ---- tokens ---- */

Test(secret, each_token_is_new_and_its_hash_is_found)
{
    char one[SECRET_LENGTH + 1], other[SECRET_LENGTH + 1];
    unsigned char hash[SECRET_HASH_BYTES], again[SECRET_HASH_BYTES];
    cr_assert(secret_make(one) && secret_make(other));
    cr_assert_eq(strlen(one), SECRET_LENGTH);
    cr_assert_eq(strspn(one, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                 SECRET_LENGTH);
    cr_assert_str_neq(one, other);
    cr_assert(secret_hash(one, SECRET_LENGTH, hash) && secret_hash(one, SECRET_LENGTH, again));
    cr_assert(secret_same(hash, again));
    cr_assert(secret_hash(other, SECRET_LENGTH, again));
    cr_assert_not(secret_same(hash, again));
}

/* FIPS 180-2, B.1. */
Test(secret, the_hash_is_sha256)
{
    unsigned char hash[SECRET_HASH_BYTES];
    static const unsigned char abc[] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea };
    cr_assert(secret_hash("abc", 3, hash));
    cr_assert_eq(memcmp(hash, abc, sizeof abc), 0);
}

Test(secret, a_hash_is_found_only_among_tokens)
{
    unsigned char none[SECRET_HASH_BYTES] = { 0 };
    struct grant *at;
    cr_assert(read_text("a uid:1 can=*\nb sha256:" HASH " can=read\nc cert:x can=*"), "%s", why);
    at = &grants.at[1];
    cr_assert_eq(grants_with_hash(&grants, at->hash), at);
    cr_assert_null(grants_with_hash(&grants, none), "the hash of a user is all zeroes");
}

/* ---- changing the file ---- */

static char directory[64], path[96];

static void make_directory(void)
{
    snprintf(directory, sizeof directory, "/tmp/stockd-grants-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/tokens", directory);
}

static void drop_directory(void)
{
    unlink(path);
    cr_assert_eq(rmdir(directory), 0, "something else is left");
    forget();
}

TestSuite(grants_edit, .init = make_directory, .fini = drop_directory);

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static void must_hold(const char *text)
{
    char bytes[4096] = "";
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    size_t length = fread(bytes, 1, sizeof bytes - 1, file);
    fclose(file);
    bytes[length] = '\0';
    cr_assert_str_eq(bytes, text);
}

static enum edited add(const char *line)
{
    struct grant grant;
    cr_assert(grant_read(&grant, line, strlen(line), why, sizeof why), "%s", why);
    enum edited edited = grants_add(path, &grant, why, sizeof why);
    grant_free(&grant);
    return edited;
}

Test(grants_edit, the_file_is_made_for_its_owner_alone)
{
    struct stat status;
    cr_assert_eq(add("web sha256:" HASH " can=read"), EDIT_DONE, "%s", why);
    must_hold("web sha256:" HASH " can=read\n");
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0600);
}

Test(grants_edit, other_lines_and_the_mode_stay)
{
    struct stat status;
    write_file("# ours\nold uid:7   can=read # no comment here: it is refused");
    cr_assert_eq(add("web uid:8"), EDIT_FAILED);
    write_file("# ours\nold   uid:7");
    cr_assert_eq(chmod(path, 0640), 0);
    cr_assert_eq(add("web uid:8"), EDIT_DONE, "%s", why);
    must_hold("# ours\nold   uid:7\nweb uid:8\n");
    cr_assert_eq(grants_remove(path, "old", why, sizeof why), EDIT_DONE, "%s", why);
    must_hold("# ours\nweb uid:8\n");
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0640);
}

Test(grants_edit, what_is_there_is_not_added_and_what_is_not_is_not_removed)
{
    write_file("web uid:8\n");
    cr_assert_eq(add("web uid:9"), EDIT_REFUSED);
    cr_assert(strstr(why, "\"web\" is there already"), "%s", why);
    cr_assert_eq(add("other uid:8"), EDIT_REFUSED);
    cr_assert_eq(grants_remove(path, "other", why, sizeof why), EDIT_REFUSED);
    must_hold("web uid:8\n");
    unlink(path);
    cr_assert_eq(grants_remove(path, "web", why, sizeof why), EDIT_FAILED);
}

Test(grants_edit, a_bad_file_is_not_changed)
{
    write_file("web uid:8\nnonsense\n");
    cr_assert_eq(add("other uid:9"), EDIT_FAILED);
    cr_assert(strstr(why, "line 2"), "%s", why);
    cr_assert_eq(grants_remove(path, "web", why, sizeof why), EDIT_FAILED);
    must_hold("web uid:8\nnonsense\n");
}

Test(grants_edit, what_is_no_file_is_refused)
{
    cr_assert_not(grants_load(&grants, directory, why, sizeof why));
    cr_assert(strstr(why, directory), "%s", why);
    cr_assert_not(grants_load(&grants, path, why, sizeof why));
}

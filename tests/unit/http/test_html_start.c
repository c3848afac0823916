/* Where a page takes in a script: pages cut in two at that place, one a row. */
#include "http/html_start.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* In memory of its own, so that a read behind it is found. */
static bool find(struct slice page, size_t *out_at)
{
    char *bytes = malloc(page.count + (page.count == 0));
    memcpy(bytes, page.bytes, page.count);
    bool is_found = html_start_find((struct slice){bytes, page.count}, out_at);
    free(bytes);
    return is_found;
}

static const struct {
    const char *before;
    const char *behind;
} rows[] = {
    {"", ""},
    {"", "text"},
    {"", "<p>text"},
    {"", "<"},
    {"\xef\xbb\xbf", ""},
    {"\xef\xbb\xbf", "text"},
    /* behind the head's start, however it is written */
    {"<!doctype html><html><head>", "<title>a</title></head>"},
    {"<!DOCTYPE html>\n<html lang=en>\n<head>", "\n<title>a</title>"},
    {"\xef\xbb\xbf<!doctype html><HTML><HEAD>", ""},
    {"<head>", ""},
    {"<html><head\n>", "</html>"},
    {"<html/><head/>", ""},
    {" \t\r\n\f<!doctype html> <html> <head profile=x>", "<meta>"},
    /* without a head, behind what there is */
    {"<!doctype html><html>", "<title>a</title>"},
    {"<!doctype html><html lang=\"en\">", "\n<body>"},
    {"<!doctypehtml><head>", "<title>a</title>"},
    {"<!doctype html>", "<title>a</title>"},
    {"<!doctype html>", ""},
    {"<!doctype html>", "\n<p>a"},
    {"<!doctype html>", "<header>a</header>"},
    {"<!doctype html>", "<headless>"},
    {"<html>", "<heads>"},
    {"", "<htmlx>"},
    {"<!doctype html><head>", "<html>"},
    {"<html>", "<!doctype html><head>"},
    /* doctypes */
    {"<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" "
     "\"http://www.w3.org/TR/html4/strict.dtd\">",
     "<p>"},
    {"<!DOCTYPE html PUBLIC \"a>", "b\"><html>"}, /* a '>' ends it, also in quotes */
    {"<!doctype>", "<p>"},
    {"", "<!doctype html"},
    /* comments, and what is taken for one */
    {"<!-- a --><!doctype html><!-- <head> --><html><!--b--><head>", "<!--c-->"},
    {"<!--><!doctype html>", ""},
    {"<!---><!doctype html>", ""},
    {"<!--a--!><!doctype html>", "<p>"},
    {"<!----!><!doctype html>", "<p>"},
    {"", "<!---!><!doctype html>"},
    {"", "<!--!><!doctype html>"},
    {"<!-- <!-- --><!doctype html>", "-->"},
    {"<?xml version=\"1.0\"?><!DOCTYPE html><html xmlns=\"x\"><head>", ""},
    {"<!ELEMENT x><!doctype html>", ""},
    {"<![CDATA[x]]><!doctype html>", ""},
    {"</#><!doctype html></><html>", "</p><head>"},
    {"", "</p><!doctype html>"},
    {"", "</"},
    {"", "<!-- <!doctype html><html><head>"},
    {"<!doctype html>", "<!-- <html><head>"},
    {"<!doctype html>", "<!-- a -->"},
    {"<!doctype html>", "<!-- a --"},
    {"", "<!"},
    {"", "<!--"},
    {"", "<?"},
    /* attributes that hold what looks like an end */
    {"<html data-a=\"1>2\" data-b='\">' c=d><head>", ""},
    {"<html a = \"x>\"><head>", ""},
    {"<html a='x'b=\">\"><head>", ""},
    {"<html a=b\"c>", "\"><head>"},
    {"<html a\">", "\"><head>"},
    {"<html \">", "\"><head>"},
    {"<html =\">", "\"><head>"},
    {"<html a=/\">", "\"><head>"},
    {"<html a/=\">", "\"><head>"},
    {"<html a=>", "<p>"},
    {"<html>", "<head a=\"x>"},
    {"", "<html a='>"},
    {"<!doctype html>", "<html "},
    {"<!doctype html>", "<html"},
    /* what ends the reading */
    {"<!doctype html>", "</html><head>"},
    {"<!doctype html>", "<body><head>"},
    {"", "a<!doctype html><html><head>"},
    {"<!doctype html>", "<script></script><html><head>"},
};

Test(html_start, rows)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char page[512];
        size_t before = strlen(rows[i].before);
        size_t at = SIZE_MAX;
        snprintf(page, sizeof page, "%s%s", rows[i].before, rows[i].behind);
        cr_expect(find(slice_of_string(page), &at) && at == before, "%s: %zu, not %zu", page, at,
                  before);
    }
}

/* Each beginning of a page has a place as well, and none behind its end. */
Test(html_start, cut_anywhere)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char page[512];
        int count = snprintf(page, sizeof page, "%s%s", rows[i].before, rows[i].behind);
        for (size_t j = 0; j <= (size_t)count; j++) {
            size_t at = SIZE_MAX;
            cr_expect(find((struct slice){page, j}, &at) && at <= j, "%.*s", (int)j, page);
        }
    }
}

/* A comment may be as long as it likes. */
Test(html_start, far_away)
{
    enum { COMMENT_BYTES = 1 << 20 };
    static const char start[] = "<!doctype html><!--";
    static const char end[] = "--><html><head>";
    size_t count = sizeof start - 1 + COMMENT_BYTES + sizeof end - 1;
    char *page = malloc(count);
    memcpy(page, start, sizeof start - 1);
    memset(page + sizeof start - 1, '-', COMMENT_BYTES);
    memcpy(page + count - (sizeof end - 1), end, sizeof end - 1);
    size_t at;
    cr_expect(html_start_find((struct slice){page, count}, &at) && at == count);
    free(page);
}

/* Each byte is read once: the page has as many comments as it can. */
Test(html_start, many_comments)
{
    enum { COMMENTS = 300000 };
    static const char both[] = "<!----><!----!>";
    static const char end[] = "<html><head>";
    size_t count = COMMENTS * (sizeof both - 1) + sizeof end - 1;
    char *page = malloc(count + 1);
    for (size_t i = 0; i < COMMENTS; i++) {
        memcpy(page + i * (sizeof both - 1), both, sizeof both - 1);
    }
    memcpy(page + count - (sizeof end - 1), end, sizeof end - 1);
    size_t at;
    cr_expect(html_start_find((struct slice){page, count}, &at) && at == count);
    free(page);
}

Test(html_start, utf_16)
{
    size_t at = 7;
    cr_expect(!find(SLICE("\xfe\xff\0<"), &at) && at == 7);
    cr_expect(!find(SLICE("\xff\xfe<\0"), &at) && at == 7);
}

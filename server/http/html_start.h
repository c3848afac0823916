/* Where a page can take in a script: a reading of the first tokens of HTML (WHATWG HTML, 13.2.5
 * Tokenization and 13.2.6 Tree construction), no more. Pure. */
#ifndef CAIRN_HTTP_HTML_START_H
#define CAIRN_HTTP_HTML_START_H

#include "common/slice.h"

/* The first place in a page where an element of the head can stand without changing how the rest is
 * read: behind <head ...>, without one behind <html ...>, without that behind the doctype, which
 * nothing may stand before, and else behind the byte order mark. False: the page is UTF-16. */
bool html_start_find(struct slice page, size_t *out_at);

#endif

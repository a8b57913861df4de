#ifndef CLI_SHOW_H
#define CLI_SHOW_H

/* How commands show numbers to people, and the books to both. */

#include "base/json.h"
#include "queue/books.h"

#include <stdint.h>
#include <stdio.h>

enum {
	SHOW_DURATION = 32,
	SHOW_BYTES = 32,
};

/* "3 d 04 h", "2 h 05 min", "7 min 30 s", "12 s" */
void show_duration(int64_t seconds, char *ret, size_t size);

/* "1.5 GiB" */
void show_bytes(int64_t bytes, char *ret, size_t size);

/* A line of the ledger as members of the open object, imbalance included. */
void show_line_json(struct json *json, const struct books_line *line);

/* A table of the ledger: its head, and a row of it. */
void show_head_text(struct buf *out, const char *label);
void show_line_text(
    struct buf *out, const char *label, const struct books_line *line);

#endif

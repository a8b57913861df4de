#ifndef CLI_SHOW_H
#define CLI_SHOW_H

/* How commands print numbers, times and the ledger. */

#include "base/json.h"
#include "queue/admin.h"

#include <stdint.h>
#include <stdio.h>

enum {
	SHOW_DURATION = 32,
	SHOW_AGO = 48,
	SHOW_BYTES = 32,
};

/* "3 d 04 h", "2 h 05 min", "7 min 30 s", "12 s" */
void show_duration(int64_t seconds, char *ret, size_t size);

/* Seconds since then, -1 if it never was (0). Also below zero if it lies ahead
 * by a second or more: the clock was set back. */
int64_t show_since_s(int64_t now_ms, int64_t then_ms);

/* "12 s ago", "not yet" */
void show_ago(int64_t now_ms, int64_t then_ms, char *ret, size_t size);

/* The same, and the time itself, as members; null if it never was. */
void show_since_json(
    struct json *json, const char *key, int64_t now_ms, int64_t then_ms);
void show_time_json(struct json *json, const char *key, int64_t then_ms);

/* "1.5 GiB" */
void show_bytes(int64_t bytes, char *ret, size_t size);

/* The first `most` bytes of a foreign text, on one line. */
void show_words(struct buf *out, const char *words, size_t len, size_t most);

/* A line of the ledger as members of the open object, imbalance included. */
void show_line_json(struct json *json, const struct stats_line *line);

/* A table of the ledger: its head, and a row of it. */
void show_head_text(struct buf *out, const char *label);
void show_line_text(
    struct buf *out, const char *label, const struct stats_line *line);

#endif

#ifndef CLI_SHOW_H
#define CLI_SHOW_H

/* How commands print numbers and times. */

#include "base/buf.h"
#include "base/show.h"

#include <stdint.h>
#include <stdio.h>

/* "1.5 GiB" */
void show_bytes(int64_t bytes, char *ret, size_t size);

/* Of a ratio: "12 %", "0.4 %". Below 100 % is never shown as 100. */
void show_percent(double ratio, char *ret, size_t size);

/* Per second: "1,204/s", "0.4/s" */
void show_rate(double rate, char *ret, size_t size);

/* "12 s ago", "never" */
void show_ago(int64_t now_ms, int64_t then_ms, char *ret, size_t size);

/* In the local zone, or in UTC: "14:31:07+01:00" if that is today,
 * "2026-11-28 14:31:07Z" otherwise; "never" for 0. Z: no offset from UTC. */
void show_timestamp(
    int64_t now_ms, int64_t then_ms, bool utc, char *ret, size_t size);

/* A line "12,480 events": the number in a column of `width`, and what it
 * counts; nothing if there are none. */
void show_count(struct buf *out, int width, int64_t count, const char *one,
    const char *many);

/* The first `most` bytes of a text from outside, on one line: white space is
 * one space, and what utf8_visible() makes visible is \xNN. */
void show_foreign(struct buf *out, const char *words, size_t len, size_t most);

#endif

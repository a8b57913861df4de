#ifndef SCHEMA_TEXT_H
#define SCHEMA_TEXT_H

/*
 * Measures of UTF-8 text that was found valid. Any thread.
 */

#include "base/str.h"

/* The length of the longest start of at most so many UTF-16 units, which does
 * not end inside a character. */
size_t text_cut(struct str text, size_t units);

/* How many UTF-16 units; how many characters (code points). */
size_t text_units(struct str text);
size_t text_characters(struct str text);

/* Is it empty or nothing but white space (Unicode's White_Space)? The mapping
 * sends no such name, id or value. */
bool text_blank(struct str text);

/* Without the white space at both ends, and without the characters there that
 * have no width. */
struct str text_trim(struct str text);

/* Equal but for the case of letters, one by one as the C library has them
 * (where it has no C.UTF-8, only those of A to Z)? */
bool text_equal_folded(struct str a, struct str b);

/* Make each NUL U+FFFD; needs room for three bytes for each. Returns the new
 * length. */
size_t text_replace_nuls(char *data, size_t len);

/* Does it hold U+FFFD, which replaces what could not be decoded? */
bool text_has_replacement(struct str text);

/* A cheap hash that tells most short texts apart, for comparing all pairs of a
 * few dozen; and whether one is among others. */
uint32_t text_fingerprint(struct str text);
bool text_fingerprint_among(
    uint32_t fingerprint, const uint32_t *fingerprints, size_t count);

/* Does it match a pattern whose `*` stand for any characters? If nested is
 * true, a match up to a dot is enough. */
bool text_match(struct str pattern, struct str text, bool nested);

#endif

#ifndef SCHEMA_JSON_TEXT_H
#define SCHEMA_JSON_TEXT_H

/*
 * Measures UTF-8 text that is known to be valid. Any thread.
 */

#include "base/str.h"

/* The length in bytes of the longest prefix that has at most `units` UTF-16
 * units and does not end inside a character. */
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

/* Are they equal except for the case of letters? The C library folds letters
 * one by one (only A to Z if it has no C.UTF-8). */
bool text_equal_folded(struct str a, struct str b);

/* Replace each NUL with U+FFFD; needs room for three bytes for each. Returns
 * the new length. */
size_t text_replace_nuls(char *data, size_t len);

/* Does it contain U+FFFD, which replaces what could not be decoded? */
bool text_has_replacement(struct str text);

/* A cheap hash that tells most short texts apart, for comparing all pairs of a
 * few dozen; and whether one is among others. */
uint32_t text_fingerprint(struct str text);
bool text_fingerprint_among(
    uint32_t fingerprint, const uint32_t *fingerprints, size_t count);

/* Does it match a pattern in which `*` stands for any characters? If nested is
 * true, a match up to a dot is enough. */
bool text_match(struct str pattern, struct str text, bool nested);

#endif

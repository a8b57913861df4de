#ifndef SCHEMA_TEXT_H
#define SCHEMA_TEXT_H

/*
 * Measures of UTF-8 text that was found sound. Internal to schema/.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length of the longest start of so many UTF-16 units at most, never
 * ending inside a character. */
size_t text_cut(const char *data, size_t len, size_t units);

/* How many UTF-16 units; how many characters (code points). */
size_t text_units(const char *data, size_t len);
size_t text_characters(const char *data, size_t len);

/* Is it empty or nothing but white space (Unicode's White_Space)? */
bool text_blank(const char *data, size_t len);

/* Narrow it to what is left without white space at both ends, nor characters
 * that have no width. */
void text_trim(const char **data, size_t *len);

/* Equal but for the case of letters, one by one as the C library has them
 * (where it has no C.UTF-8, only those of A to Z)? */
bool
text_equal_folded(const char *a, size_t a_len, const char *b, size_t b_len);

/* Make each NUL U+FFFD; needs the room of three bytes for each. Returns the
 * new length. */
size_t text_mend(char *data, size_t len);

/* Does it hold U+FFFD, the mark of what could not be read? */
bool text_mended(const char *data, size_t len);

/* A number that tells most different short texts apart, and whether one is
 * among others. */
uint32_t text_print(const char *data, size_t len);
bool text_prints_hold(const uint32_t *prints, size_t count, uint32_t print);

/* Does it match a pattern whose `*` stand for any characters? A match up to
 * a dot is enough if nested is true. */
bool text_match(const char *pattern, size_t pattern_len, const char *data,
    size_t len, bool nested);

#endif

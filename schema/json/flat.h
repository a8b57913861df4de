#ifndef SCHEMA_JSON_FLAT_H
#define SCHEMA_JSON_FLAT_H

/*
 * One JSON object as a flat list of its members, at any depth, in document
 * order; the mapping reads this list instead of a tree. Arrays stay whole.
 * Needs at most about thirty times the length of the object, and only the stack
 * if the object has few members. One thread at a time.
 */

#include "schema/json/scan.h"

enum {
	FLAT_FEW = 64,	       /* members that need no allocation */
	FLAT_PATH_UNITS = 512, /* UTF-16 units; a longer path is cut there */
	FLAT_PATH_BYTES = FLAT_PATH_UNITS * 3 + 3, /* shows that it is longer */
};

/* The parent of the outermost members. */
#define FLAT_ROOT UINT32_MAX

/* Texts are UTF-8 without NUL (it became U+FFFD). */
struct flat_node {
	struct str key;
	struct str text; /* a string decoded; else its JSON */
	struct str path; /* see flat_paths() */
	enum scan_kind kind;
	bool superseded; /* by a later member with the same key as this one or
			  * as an object around it: the last one counts */
	bool path_cut;	 /* path was longer than FLAT_PATH_UNITS */
	uint32_t parent; /* index of the object that holds it, or FLAT_ROOT */
	uint32_t depth;	 /* 1: outermost member */
	uint32_t top;	 /* see flat_paths() */
	const char *from, *value, *end; /* the member in the document: its key,
					 * its value, and the end */
};

struct flat {
	struct flat_node *nodes; /* parents before children */
	size_t count;

	/* internal */
	size_t cap;
	size_t json_len; /* of the object */
	char *text;	 /* decoded strings, if any had escapes */
	size_t text_len; /* never above json_len */
	char *paths;
	struct flat_node few[FLAT_FEW];
};

/*
 * Read an object, which stays lent to *flat. ERR_INPUT: it is not an object, is
 * not UTF-8, is nested deeper than SCAN_DEPTH, or is broken. Call flat_fini()
 * in any case.
 */
MUST_USE bool flat_read(struct flat *flat, struct str json, struct err *reterr);
void flat_fini(struct flat *flat);

/* The member of that name in an object (a node's index, or FLAT_ROOT), or
 * NULL. */
const struct flat_node *
flat_find(const struct flat *flat, uint32_t parent, const char *name);

/* The index of a node. */
uint32_t flat_index(const struct flat *flat, const struct flat_node *node);

/*
 * Name everything in an object: set `path` to the keys from there, joined with
 * dots, and `top` to the index of the object's member that contains the node.
 * ERR_LIMIT: the paths would take up more than sixteen times the bytes of the
 * whole.
 */
MUST_USE bool
flat_paths(struct flat *flat, uint32_t object, struct err *reterr);

/* Decode a string inside an array of *flat. The text lives as long as *flat. */
MUST_USE bool flat_decode(struct flat *flat, const struct scan_value *string,
    struct str *ret_text, struct err *reterr);

/* Order two nodes by depth, then by path part by part, then by position. */
int flat_compare(const struct flat *flat, const struct flat_node *a,
    const struct flat_node *b);

#endif

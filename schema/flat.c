/* The flat list: reading, finding, naming. */
#include "schema/flat.h"

#include "schema/text.h"

#include <stdlib.h>
#include <string.h>

enum {
	FLAT_PATHS_FACTOR = 16,
	FLAT_PATHS_SPARE = 65536,
};

/* The way down to the place that is being read. */
struct flat_frame {
	uint32_t parent;
	bool first;
};

/* Decoding takes no more room than the escapes did, three bytes for a NUL
 * of six included, and each string is decoded once. */
static bool
flat_text_reserve(struct flat *flat, struct err *reterr)
{
	if (flat->text != NULL)
		return true;
	flat->text = malloc(flat->text_cap);
	return flat->text != NULL || err_set_nomem(reterr);
}

bool
flat_decode(struct flat *flat, const struct scan_value *string,
    struct str *ret_text, struct err *reterr)
{
	char *at;
	size_t len;

	if (!string->escaped) {
		*ret_text = (struct str){string->data, string->len};
		return true;
	}
	if (!flat_text_reserve(flat, reterr))
		return false;
	CHECK(string->len <= flat->text_cap - flat->text_len);
	at = flat->text + flat->text_len;
	len = scan_decode(string->data, string->len, at);
	len = text_mend(at, len);
	CHECK(len <= string->len);
	flat->text_len += len;
	*ret_text = (struct str){at, len};
	return true;
}

static bool
flat_grow(struct flat *flat, struct err *reterr)
{
	size_t cap = flat->cap * 2;
	struct flat_node *nodes;

	if (flat->nodes == flat->few) {
		nodes = malloc(cap * sizeof(*nodes));
		if (nodes != NULL)
			memcpy(nodes, flat->few, sizeof(flat->few));
	} else {
		nodes = realloc(flat->nodes, cap * sizeof(*nodes));
	}
	if (nodes == NULL)
		return err_set_nomem(reterr);
	flat->nodes = nodes;
	flat->cap = cap;
	return true;
}

/* Append a member whose value was scanned. */
static bool
flat_add(struct flat *flat, const struct flat_frame *frame, uint32_t depth,
    const struct scan_value *key, const struct scan_value *value,
    struct err *reterr)
{
	struct flat_node *node;

	if (flat->count == flat->cap && !flat_grow(flat, reterr))
		return false;
	node = &flat->nodes[flat->count];
	node->path = (struct str){NULL, 0};
	node->kind = value->kind;
	node->gone = false;
	node->path_cut = false;
	node->parent = frame->parent;
	node->depth = depth;
	node->top = FLAT_ROOT;
	node->from = key->data - 1;
	node->value = value->data;
	node->end = value->data + value->len;
	if (value->kind == SCAN_STRING) {
		node->value--;
		node->end++;
	}
	if (!flat_decode(flat, key, &node->key, reterr))
		return false;
	if (value->kind != SCAN_STRING)
		node->text = (struct str){value->data, value->len};
	else if (!flat_decode(flat, value, &node->text, reterr))
		return false;
	flat->count++;
	return true;
}

/* Read all members into the list. False with ERR_NONE: not readable. */
static bool
flat_walk(struct flat *flat, struct scan *scan, struct err *reterr)
{
	struct flat_frame frames[FLAT_DEPTH];
	struct scan_value key, value;
	uint32_t depth = 0;

	if (!scan_value(scan, &value) || value.kind != SCAN_OBJECT)
		return false;
	frames[0] = (struct flat_frame){FLAT_ROOT, true};
	for (;;) {
		if (!scan_member(scan, &frames[depth].first, &key)) {
			if (scan->error != NULL)
				return false;
			if (depth == 0)
				return true;
			flat->nodes[frames[depth--].parent].end = scan->at;
			continue;
		}
		if (!scan_value(scan, &value))
			return false;
		if (scan_opened(&value) && depth + 1 == FLAT_DEPTH)
			return false;
		if (value.kind == SCAN_ARRAY &&
		    !scan_skip(scan, &value, FLAT_DEPTH - depth - 1))
			return false;
		if (!flat_add(
			flat, &frames[depth], depth + 1, &key, &value, reterr))
			return false;
		if (value.kind == SCAN_OBJECT)
			frames[++depth] = (struct flat_frame){
			    (uint32_t)(flat->count - 1), true};
	}
}

bool
flat_read(struct flat *flat, const char *data, size_t len, struct err *reterr)
{
	struct err err = {.code = ERR_NONE};
	struct scan scan;

	flat->nodes = flat->few;
	flat->count = 0;
	flat->cap = FLAT_FEW;
	flat->text = NULL;
	flat->text_len = 0;
	flat->text_cap = len;
	flat->paths = NULL;
	scan_init(&scan, data, len);
	if (len >= FLAT_ROOT || !flat_walk(flat, &scan, &err) ||
	    scan_space(&scan) || scan.bad_utf8 != NULL ||
	    scan.too_deep != NULL) {
		if (err.code == ERR_NOMEM)
			return err_set_nomem(reterr);
		return err_set(reterr, ERR_INPUT, "not a readable event");
	}
	return flat_twins_mark(flat, reterr);
}

void
flat_fini(struct flat *flat)
{
	if (flat->nodes != flat->few)
		free(flat->nodes);
	free(flat->text);
	free(flat->paths);
}

uint32_t
flat_index(const struct flat *flat, const struct flat_node *node)
{
	return (uint32_t)(node - flat->nodes);
}

const struct flat_node *
flat_find(const struct flat *flat, uint32_t parent, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < flat->count; i++) {
		const struct flat_node *node = &flat->nodes[i];

		if (node->key.len == len && node->parent == parent &&
		    !node->gone && memcmp(node->key.data, name, len) == 0)
			return node;
	}
	return NULL;
}

/* The most bytes that a nested node's path may take. */
static size_t
flat_path_bound(const struct flat_node *node, const struct flat_node *parent)
{
	size_t bound = parent->path.len + 1 + node->key.len;

	return bound < FLAT_PATH_BYTES ? bound : FLAT_PATH_BYTES;
}

static void
flat_path_cut(struct flat_node *node)
{
	size_t fits;

	fits = text_cut(node->path.data, node->path.len, FLAT_PATH_UNITS);
	node->path_cut = fits < node->path.len;
	node->path.len = fits;
}

/* Write "parent.key" at *at and move it on. */
static void
flat_path_join(
    struct flat_node *node, const struct flat_node *parent, char **at)
{
	size_t len = flat_path_bound(node, parent), key_len;

	if (parent->path_cut) {
		node->path = parent->path;
		node->path_cut = true;
		return;
	}
	memcpy(*at, parent->path.data, parent->path.len);
	(*at)[parent->path.len] = '.';
	key_len = len - parent->path.len - 1;
	memcpy(*at + parent->path.len + 1, node->key.data, key_len);
	node->path = (struct str){*at, len};
	*at += len;
	flat_path_cut(node);
}

/* Find top, and the sum of the bounds of the paths that must be joined. */
static size_t
flat_tops(struct flat *flat, uint32_t object)
{
	size_t sum = 0;

	for (uint32_t i = 0; i < flat->count; i++) {
		struct flat_node *node = &flat->nodes[i], *parent;

		if (node->gone)
			continue;
		if (node->parent == object) {
			node->top = i;
			node->path = node->key;
		} else if (node->parent != FLAT_ROOT) {
			parent = &flat->nodes[node->parent];
			node->top = parent->top;
			if (node->top == FLAT_ROOT)
				continue;
			node->path.len = flat_path_bound(node, parent);
			sum += node->path.len;
		}
	}
	return sum;
}

bool
flat_paths(struct flat *flat, uint32_t object, size_t len, struct err *reterr)
{
	size_t sum = flat_tops(flat, object);
	char *at;

	if (sum > len * FLAT_PATHS_FACTOR + FLAT_PATHS_SPARE)
		return err_set(reterr, ERR_LIMIT, "names of %zu bytes", sum);
	if (sum > 0 && (flat->paths = malloc(sum)) == NULL)
		return err_set_nomem(reterr);
	at = flat->paths;
	for (size_t i = 0; i < flat->count; i++) {
		struct flat_node *node = &flat->nodes[i];

		if (node->top == FLAT_ROOT)
			continue;
		if (node->parent == object)
			flat_path_cut(node);
		else
			flat_path_join(node, &flat->nodes[node->parent], &at);
	}
	return true;
}

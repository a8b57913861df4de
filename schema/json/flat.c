#include "schema/json/flat.h"

#include "schema/json/text.h"

#include <stdlib.h>

enum {
	FLAT_PATHS_FACTOR = 16,
	FLAT_PATHS_SPARE = 65536,
};

/* ---- reading ---- */

/* Decoding takes no more room than the escapes did (the six bytes of an
 * escaped NUL become three), and each string is decoded once. */
bool
flat_decode(struct flat *flat, const struct scan_value *string,
    struct str *ret_text, struct err *reterr)
{
	char *at;
	size_t len;

	*ret_text = string->text;
	if (!string->escaped)
		return true;
	if (flat->text == NULL && (flat->text = malloc(flat->json_len)) == NULL)
		return err_set_nomem(reterr);
	CHECK(string->text.len <= flat->json_len - flat->text_len);
	at = flat->text + flat->text_len;
	len = text_replace_nuls(at, scan_decode(string->text, at));
	CHECK(len <= string->text.len);
	flat->text_len += len;
	*ret_text = str_bytes(at, len);
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
flat_add(struct flat *flat, uint32_t parent, uint32_t depth,
    const struct scan_value *key, const struct scan_value *value,
    struct err *reterr)
{
	size_t quote = value->kind == SCAN_STRING;
	struct flat_node *node;

	if (flat->count == flat->cap && !flat_grow(flat, reterr))
		return false;
	node = &flat->nodes[flat->count];
	node->path = str_bytes(NULL, 0);
	node->kind = value->kind;
	node->superseded = false;
	node->path_cut = false;
	node->parent = parent;
	node->depth = depth;
	node->top = FLAT_ROOT;
	node->from = key->text.data - 1;
	node->value = value->text.data - quote;
	node->end = value->text.data + value->text.len + quote;
	node->text = value->text;
	if (!flat_decode(flat, key, &node->key, reterr) ||
	    (value->kind == SCAN_STRING &&
		!flat_decode(flat, value, &node->text, reterr)))
		return false;
	flat->count++;
	return true;
}

/* Read all members into the list. False if the object is not readable, or, with
 * ERR_NOMEM, without memory. */
static bool
flat_walk(struct flat *flat, struct scan *scan, struct err *reterr)
{
	/* the objects that are open */
	struct {
		uint32_t index;
		bool first;
	} open[SCAN_DEPTH];
	struct scan_value key, value;
	uint32_t depth = 0;

	if (!scan_value(scan, &value) || value.kind != SCAN_OBJECT)
		return false;
	open[0].index = FLAT_ROOT;
	open[0].first = true;
	for (;;) {
		if (!scan_member(scan, &open[depth].first, &key)) {
			if (scan->error != NULL)
				return false;
			if (depth == 0)
				return true;
			flat->nodes[open[depth--].index].end = scan->at;
			continue;
		}
		if (!scan_value(scan, &value))
			return false;
		if (scan_opened(&value) && depth + 1 == SCAN_DEPTH)
			return false;
		if (value.kind == SCAN_ARRAY &&
		    !scan_skip(scan, &value, SCAN_DEPTH - depth - 1))
			return false;
		if (!flat_add(flat, open[depth].index, depth + 1, &key, &value,
			reterr))
			return false;
		if (value.kind == SCAN_OBJECT) {
			open[++depth].index = (uint32_t)(flat->count - 1);
			open[depth].first = true;
		}
	}
}

/* ---- repeated members ---- */

/* Keys in which something could not be decoded may differ although they look
 * the same: those members are all kept. */
static bool
flat_same_member(const struct flat_node *a, const struct flat_node *b)
{
	return a->parent == b->parent && str_equal(a->key, b->key) &&
	       !text_has_replacement(a->key);
}

static int
flat_member_compare(const void *a, const void *b, void *arg)
{
	const struct flat *flat = arg;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	const struct flat_node *one = &flat->nodes[i], *two = &flat->nodes[j];
	int order;

	if (one->parent != two->parent)
		return one->parent < two->parent ? -1 : 1;
	order = str_compare(one->key, two->key);
	return order != 0 ? order : (i > j) - (i < j);
}

/* By comparing all pairs: quickest while there are few. */
static void
flat_supersede_few(struct flat *flat)
{
	uint32_t fingerprints[FLAT_FEW];

	for (size_t i = 0; i < flat->count; i++) {
		const struct flat_node *node = &flat->nodes[i];

		fingerprints[i] =
		    text_fingerprint(node->key) + node->parent * 0x9e3779b1u;
		if (!text_fingerprint_among(fingerprints[i], fingerprints, i))
			continue;
		for (size_t j = 0; j < i; j++) {
			if (flat_same_member(&flat->nodes[j], node))
				flat->nodes[j].superseded = true;
		}
	}
}

/* By sorting, so that no source can make it slow. */
static bool
flat_supersede_many(struct flat *flat, struct err *reterr)
{
	uint32_t *order = malloc(flat->count * sizeof(*order));

	if (order == NULL)
		return err_set_nomem(reterr);
	for (uint32_t i = 0; i < flat->count; i++)
		order[i] = i;
	qsort_r(order, flat->count, sizeof(*order), flat_member_compare, flat);
	for (size_t i = 1; i < flat->count; i++) {
		struct flat_node *node = &flat->nodes[order[i - 1]];

		node->superseded =
		    flat_same_member(node, &flat->nodes[order[i]]);
	}
	free(order);
	return true;
}

bool
flat_read(struct flat *flat, struct str json, struct err *reterr)
{
	struct err err = {.code = ERR_NONE};
	struct flat_node *nodes;
	struct scan scan;

	flat->nodes = flat->few;
	flat->count = 0;
	flat->cap = FLAT_FEW;
	flat->json_len = json.len;
	flat->text = NULL;
	flat->text_len = 0;
	flat->paths = NULL;
	scan_init(&scan, json);
	if (json.len >= FLAT_ROOT || !flat_walk(flat, &scan, &err) ||
	    scan_space(&scan) || scan.bad_utf8 != NULL ||
	    scan.too_deep != NULL) {
		if (err.code == ERR_NOMEM)
			return err_set_nomem(reterr);
		return err_set(reterr, ERR_INPUT, "not a readable event");
	}
	if (flat->count <= FLAT_FEW)
		flat_supersede_few(flat);
	else if (!flat_supersede_many(flat, reterr))
		return false;
	nodes = flat->nodes;
	for (size_t i = 0; i < flat->count; i++) {
		if (nodes[i].parent != FLAT_ROOT &&
		    nodes[nodes[i].parent].superseded)
			nodes[i].superseded = true;
	}
	return true;
}

void
flat_fini(struct flat *flat)
{
	if (flat->nodes != flat->few)
		free(flat->nodes);
	free(flat->text);
	free(flat->paths);
}

/* ---- finding and comparing ---- */

uint32_t
flat_index(const struct flat *flat, const struct flat_node *node)
{
	return (uint32_t)(node - flat->nodes);
}

const struct flat_node *
flat_find(const struct flat *flat, uint32_t parent, const char *name)
{
	struct str key = str_text(name);

	for (size_t i = 0; i < flat->count; i++) {
		const struct flat_node *node = &flat->nodes[i];

		if (node->key.len == key.len && node->parent == parent &&
		    !node->superseded && str_equal(node->key, key))
			return node;
	}
	return NULL;
}

int
flat_compare(const struct flat *flat, const struct flat_node *a,
    const struct flat_node *b)
{
	struct str parts[2][SCAN_DEPTH];
	const struct flat_node *at[2] = {a, b};

	if (a->depth != b->depth)
		return a->depth < b->depth ? -1 : 1;
	for (uint32_t side = 0; side < 2; side++) {
		for (uint32_t i = a->depth; i > 0; i--) {
			parts[side][i - 1] = at[side]->key;
			if (i > 1)
				at[side] = &flat->nodes[at[side]->parent];
		}
	}
	for (uint32_t i = 0; i < a->depth; i++) {
		int order = str_compare(parts[0][i], parts[1][i]);

		if (order != 0)
			return order;
	}
	return (a > b) - (a < b);
}

/* ---- paths ---- */

/* The most bytes that a nested node's path may take. */
static size_t
flat_path_bound(const struct flat_node *node, const struct flat_node *parent)
{
	size_t bound = parent->path.len + 1 + node->key.len;

	return bound < FLAT_PATH_BYTES ? bound : FLAT_PATH_BYTES;
}

/* Set top, and return the sum of the bounds of the paths that must be
 * joined. */
static size_t
flat_tops(struct flat *flat, uint32_t object)
{
	size_t sum = 0;

	for (uint32_t i = 0; i < flat->count; i++) {
		struct flat_node *node = &flat->nodes[i], *parent;

		if (node->superseded)
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

static void
flat_path_cut(struct flat_node *node)
{
	size_t fits = text_cut(node->path, FLAT_PATH_UNITS);

	node->path_cut = fits < node->path.len;
	node->path.len = fits;
}

bool
flat_paths(struct flat *flat, uint32_t object, struct err *reterr)
{
	size_t sum = flat_tops(flat, object);
	char *at;

	if (sum > flat->json_len * FLAT_PATHS_FACTOR + FLAT_PATHS_SPARE)
		return err_set(
		    reterr, ERR_LIMIT, "its names take up %zu bytes", sum);
	if (sum > 0 && (flat->paths = malloc(sum)) == NULL)
		return err_set_nomem(reterr);
	at = flat->paths;
	for (size_t i = 0; i < flat->count; i++) {
		struct flat_node *node = &flat->nodes[i];
		const struct flat_node *parent;
		size_t len, dot;

		if (node->top == FLAT_ROOT)
			continue;
		if (node->parent == object) {
			flat_path_cut(node);
			continue;
		}
		parent = &flat->nodes[node->parent];
		if (parent->path_cut) {
			node->path = parent->path;
			node->path_cut = true;
			continue;
		}
		len = flat_path_bound(node, parent);
		dot = parent->path.len;
		memcpy(at, parent->path.data, dot);
		at[dot] = '.';
		memcpy(at + dot + 1, node->key.data, len - dot - 1);
		node->path = str_bytes(at, len);
		at += len;
		flat_path_cut(node);
	}
	return true;
}

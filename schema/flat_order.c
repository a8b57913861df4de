/*
 * Keys of one object that are equal are found by comparing all pairs while
 * there are few, since that is quickest, and by sorting when there are many,
 * so that no sender can make it slow.
 */
#include "schema/flat.h"

#include "schema/text.h"

#include <stdlib.h>
#include <string.h>

static int
flat_text_compare(const struct str *a, const struct str *b)
{
	size_t least = a->len < b->len ? a->len : b->len;
	int order = least == 0 ? 0 : memcmp(a->data, b->data, least);

	if (order != 0)
		return order;
	return (a->len > b->len) - (a->len < b->len);
}

static int
flat_twin_compare(const void *a, const void *b, void *arg)
{
	const struct flat *flat = arg;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	const struct flat_node *one = &flat->nodes[i], *two = &flat->nodes[j];
	int order;

	if (one->parent != two->parent)
		return one->parent < two->parent ? -1 : 1;
	order = flat_text_compare(&one->key, &two->key);
	return order != 0 ? order : (i > j) - (i < j);
}

/* Keys with what could not be decoded may differ though they look the same:
 * those members are all kept. */
static bool
flat_twins(const struct flat_node *a, const struct flat_node *b)
{
	return a->parent == b->parent && a->key.len == b->key.len &&
	       memcmp(a->key.data, b->key.data, a->key.len) == 0 &&
	       !text_mended(a->key.data, a->key.len);
}

static bool
flat_twins_sort(struct flat *flat, struct err *reterr)
{
	uint32_t *order = malloc(flat->count * sizeof(*order));

	if (order == NULL)
		return err_set_nomem(reterr);
	for (uint32_t i = 0; i < flat->count; i++)
		order[i] = i;
	qsort_r(order, flat->count, sizeof(*order), flat_twin_compare, flat);
	for (size_t i = 1; i < flat->count; i++) {
		struct flat_node *node = &flat->nodes[order[i - 1]];

		node->gone = flat_twins(node, &flat->nodes[order[i]]);
	}
	free(order);
	return true;
}

static void
flat_twins_pair(struct flat *flat)
{
	uint32_t prints[FLAT_FEW];

	for (size_t i = 0; i < flat->count; i++) {
		const struct flat_node *node = &flat->nodes[i];

		prints[i] = text_print(node->key.data, node->key.len) +
			    node->parent * 0x9e3779b1u;
		if (!text_prints_hold(prints, i, prints[i]))
			continue;
		for (size_t j = 0; j < i; j++) {
			if (flat_twins(&flat->nodes[j], node))
				flat->nodes[j].gone = true;
		}
	}
}

/* Mark the members that came again, and all that was in them. */
bool
flat_twins_mark(struct flat *flat, struct err *reterr)
{
	struct flat_node *nodes = flat->nodes;

	if (flat->count <= FLAT_FEW)
		flat_twins_pair(flat);
	else if (!flat_twins_sort(flat, reterr))
		return false;
	for (size_t i = 0; i < flat->count; i++) {
		if (nodes[i].parent != FLAT_ROOT && nodes[nodes[i].parent].gone)
			nodes[i].gone = true;
	}
	return true;
}

int
flat_compare(const struct flat *flat, const struct flat_node *a,
    const struct flat_node *b)
{
	const struct flat_node *ways[2][FLAT_DEPTH];
	const struct flat_node *at[2] = {a, b};

	if (a->depth != b->depth)
		return a->depth < b->depth ? -1 : 1;
	for (uint32_t side = 0; side < 2; side++) {
		for (uint32_t i = a->depth; i > 0; i--) {
			ways[side][i - 1] = at[side];
			if (i > 1)
				at[side] = &flat->nodes[at[side]->parent];
		}
	}
	for (uint32_t i = 0; i < a->depth; i++) {
		int order =
		    flat_text_compare(&ways[0][i]->key, &ways[1][i]->key);

		if (order != 0)
			return order;
	}
	return (a > b) - (a < b);
}

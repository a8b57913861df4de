/*
 * Resolves names. While there are few, all pairs are compared. If two are the
 * same (which takes dots in a customer's keys), or if there are many, they are
 * sorted, and each gets its name, or the first of "#2", "#3", ... that is free.
 * A balanced tree keeps the names, so that no source can make this slow.
 */
#include "schema/track/map.h"

#include "schema/json/text.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>

enum { TRACK_SUFFIX = 12 }; /* "#4294967295" and a NUL */

/* ---- one name ---- */

static const char *
track_rename_find(const struct track_rules *rules, struct str name)
{
	for (size_t i = 0; i < rules->rename_count; i++) {
		if (str_equal_text(name, rules->renames[i].from))
			return rules->renames[i].to;
	}
	return NULL;
}

/* Put the prefix before a name, at the end of a buffer with room for it. */
static void
track_prefix_put(struct buf *names, struct str prefix, struct str *name)
{
	char *at = names->data + names->len;

	memcpy(at, prefix.data, prefix.len);
	if (name->len > 0)
		memcpy(at + prefix.len, name->data, name->len);
	*name = str_bytes(at, prefix.len + name->len);
	names->len += name->len;
}

/* Rename or prefix one property, and cut a name that is too long. */
static void
track_name_find(struct track_map *map, struct track_leaf *leaf)
{
	struct str path = leaf->name, prefix = str_text(map->rules->prefix);
	const char *to = track_rename_find(map->rules, path);
	size_t fits;

	leaf->renamed = to != NULL;
	if (to != NULL) {
		leaf->name = str_text(to);
	} else if (prefix.len > 0) {
		/* unless it bears our mark already */
		if (leaf->node != NULL || path.len <= 6 ||
		    memcmp(path.data, "braze_", 6) != 0)
			track_prefix_put(&map->names, prefix, &leaf->name);
	}
	fits = text_cut(leaf->name, TRACK_KEY_MAX);
	if (fits < leaf->name.len ||
	    (leaf->node != NULL && to == NULL && leaf->node->path_cut))
		track_omit(map, leaf->property, TRACK_OMISSION_KEY_CUT, 1);
	leaf->name.len = fits;
}

/* ---- names that are the same ---- */

static bool
track_names_clash(const struct track_map *map)
{
	uint32_t fingerprints[TRACK_FEW];

	if (map->count > TRACK_FEW)
		return true; /* perhaps: the tree finds out */
	for (size_t i = 0; i < map->count; i++) {
		struct str name = map->leaves[i].name;

		fingerprints[i] = text_fingerprint(name);
		if (!text_fingerprint_among(fingerprints[i], fingerprints, i))
			continue;
		for (size_t j = 0; j < i; j++) {
			if (str_equal(name, map->leaves[j].name))
				return true;
		}
	}
	return false;
}

static int
track_tree_compare(const void *a, const void *b)
{
	struct str one = ((const struct track_leaf *)a)->name;
	struct str two = ((const struct track_leaf *)b)->name;

	if (one.len != two.len)
		return one.len < two.len ? -1 : 1;
	return memcmp(one.data, two.data, one.len);
}

/* Real keys first, then those that were renamed, then by path; added
 * properties come last. */
static int
track_order_compare(const void *a, const void *b, void *arg)
{
	const struct track_leaf *one = *(struct track_leaf *const *)a;
	const struct track_leaf *two = *(struct track_leaf *const *)b;

	if (one->node == NULL || two->node == NULL) {
		if ((one->node == NULL) != (two->node == NULL))
			return one->node == NULL ? 1 : -1;
		return (one > two) - (one < two);
	}
	if (one->renamed != two->renamed)
		return one->renamed ? 1 : -1;
	return flat_compare(arg, one->node, two->node);
}

static void
track_tree_keep(void *leaf)
{
	(void)leaf; /* the tree only points */
}

/* The leaf that has the name in the tree now: this one, if none had it. NULL
 * without memory. */
static struct track_leaf *
track_tree_claim(void **tree, struct track_leaf *leaf)
{
	struct track_leaf **owner = tsearch(leaf, tree, track_tree_compare);

	return owner == NULL ? NULL : *owner;
}

/* Give the leaf the first free name after the owner's. */
static bool
track_suffix_find(struct track_map *map, void **tree, struct track_leaf *owner,
    struct track_leaf *leaf)
{
	struct str base = owner->base;
	char *at = map->suffixed.data + map->suffixed.len;
	struct track_leaf *holder;
	char suffix[TRACK_SUFFIX];

	do {
		size_t len = (size_t)snprintf(
		    suffix, sizeof(suffix), "#%u", owner->suffix++);
		size_t fits = text_cut(base, TRACK_KEY_MAX - len);

		memcpy(at, base.data, fits);
		memcpy(at + fits, suffix, len);
		leaf->name = str_bytes(at, fits + len);
		holder = track_tree_claim(tree, leaf);
		if (holder == NULL)
			return false;
	} while (holder != leaf);
	map->suffixed.len += leaf->name.len;
	track_explain(map, base, "another property has this name: sent as %.*s",
	    STR_ARGS(leaf->name));
	return true;
}

/* Each leaf claims its name in order; then the others get suffixes. */
static bool
track_names_separate(struct track_map *map, struct err *reterr)
{
	struct track_leaf **order = malloc(map->count * sizeof(*order));
	size_t others = 0, room = 0;
	void *tree = NULL;
	bool ok = false;

	if (order == NULL)
		goto out;
	for (size_t i = 0; i < map->count; i++)
		order[i] = &map->leaves[i];
	qsort_r(
	    order, map->count, sizeof(*order), track_order_compare, &map->flat);
	for (size_t i = 0; i < map->count; i++) {
		struct track_leaf *leaf = order[i];

		leaf->base = leaf->name;
		leaf->suffix = 2;
		leaf->owner = track_tree_claim(&tree, leaf);
		if (leaf->owner == NULL)
			goto out;
		if (leaf->owner == leaf)
			continue;
		room += leaf->name.len + TRACK_SUFFIX;
		order[others++] = leaf;
	}
	buf_init(&map->suffixed, room);
	if (!buf_reserve(&map->suffixed, room))
		goto out;
	for (size_t i = 0; i < others; i++) {
		if (!track_suffix_find(map, &tree, order[i]->owner, order[i]))
			goto out;
	}
	ok = true;
out:
	tdestroy(tree, track_tree_keep);
	free(order);
	return ok || err_set_nomem(reterr);
}

bool
track_names_find(struct track_map *map, struct err *reterr)
{
	size_t prefix = str_text(map->rules->prefix).len, room = 0, kept = 0;

	if (prefix > 0) {
		for (size_t i = 0; i < map->count; i++)
			room += prefix + map->leaves[i].name.len;
		buf_init(&map->names, room);
		if (!buf_reserve(&map->names, room))
			return err_set_nomem(reterr);
	}
	for (size_t i = 0; i < map->count; i++) {
		struct track_leaf *leaf = &map->leaves[i];
		struct str path = leaf->name;

		track_name_find(map, leaf);
		if (text_blank(leaf->name)) { /* as far as it fits */
			track_omit(
			    map, leaf->property, TRACK_OMISSION_BLANK, 1);
			track_explain(map, path, "left out: its name is blank");
			continue;
		}
		if (kept < i)
			map->leaves[kept] = *leaf;
		kept++;
	}
	map->count = kept;
	if (map->count == 0 || !track_names_clash(map))
		return true;
	return track_names_separate(map, reterr);
}

/* ---- the event's name ---- */

/* The name that a customer gave to a custom event, or NULL if there is none
 * that may be sent as it is. */
static const struct flat_node *
track_custom_name(const struct track_map *map)
{
	static const struct str path = STR("name");
	const struct flat_node *name;
	const char *why;

	if (!map->rules->custom_event_name || map->properties == NULL ||
	    !str_equal_text(map->type, "users.behaviors.CustomEvent"))
		return NULL;
	name = flat_find(
	    &map->flat, flat_index(&map->flat, map->properties), "name");
	/* a name that is private as a property is never the event's */
	if (track_text_of(name).len == 0 ||
	    track_privacy(map->rules, map->type, path, false, CATALOGUE_PLAIN,
		&why) != TRACK_PRIVACY_SEND)
		return NULL;
	return name;
}

/* *ret_blank: nothing but white space of it fits. */
static bool
track_event_named(struct track_map *map, struct str name, const char *source,
    bool *ret_blank, struct err *reterr)
{
	static const struct str subject = STR("event");
	const char *to = track_rename_find(map->rules, name);
	struct str prefix = str_text(map->rules->prefix);
	size_t len;

	map->event = name;
	if (to != NULL) {
		map->event = str_text(to);
	} else if (prefix.len > 0) {
		buf_fini(&map->event_name);
		buf_init(&map->event_name, prefix.len + name.len);
		if (!buf_reserve(&map->event_name, prefix.len + name.len))
			return err_set_nomem(reterr);
		track_prefix_put(&map->event_name, prefix, &map->event);
	}
	len = map->event.len;
	map->event.len = text_cut(map->event, TRACK_KEY_MAX);
	*ret_blank = text_blank(map->event);
	if (*ret_blank)
		return true;
	if (map->event.len < len)
		track_omit(map, "event", TRACK_OMISSION_KEY_CUT, 1);
	track_explain(map, subject, "%s", to != NULL ? "renamed" : source);
	return true;
}

bool
track_event_name_find(struct track_map *map, struct err *reterr)
{
	const struct flat_node *custom = track_custom_name(map);
	bool blank = true;

	if (custom != NULL && !track_event_named(map, custom->text,
				  "the custom event's name", &blank, reterr))
		return false;
	if (blank &&
	    !track_event_named(map, map->type, "event_type", &blank, reterr))
		return false;
	if (blank)
		(void)track_dead(map, "the event's name is blank");
	return true;
}

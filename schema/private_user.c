/*
 * The members of the user. What is never mapped goes. The rules of
 * braze_user_id, device_id and timezone are for what is sent beside an
 * identity; an anonymous person is known by nothing but the device's id or
 * Braze's, so these stay.
 *
 * With identity_hash nobody's id stays in clear, not even in an event that
 * will be dead since its identity cannot be used. It must be dead for
 * the same reason, though, and never be sent under another id:
 *
 *	a placeholder             stays: it is nobody's
 *	longer than 255           256 asterisks
 *	holds what is no character  U+FFFD
 *	is not text               []
 *
 * and a hash takes the place of what would be usable but for the reason (an
 * alias of another label).
 */
#include "schema/private_parts.h"

#include <string.h>

#define STARS_16 "****************"
#define STARS_64 STARS_16 STARS_16 STARS_16 STARS_16

static const struct flat_node *
user_find(const struct private *p, const char *name)
{
	return flat_find(
	    &p->job.flat, flat_index(&p->job.flat, p->job.user), name);
}

/* ---- what stays at all ---- */

/* An id; in a form that is none, it is none of whatever content. */
static bool
user_keep_id(
    struct private *p, uint32_t parent, const char *name, struct err *reterr)
{
	const struct flat_node *node = private_member(p, parent, name, true);

	if (node == NULL || node->kind < SCAN_ARRAY)
		return true;
	return private_replace(p, node, "[]", reterr);
}

static bool
user_keep_alias(struct private *p, const char *name, struct err *reterr)
{
	uint32_t user = flat_index(&p->job.flat, p->job.user), alias;
	const struct flat_node *node = user_find(p, name);

	if (node == NULL || node->kind != SCAN_OBJECT)
		return user_keep_id(p, user, name, reterr);
	(void)private_member(p, user, name, false);
	alias = flat_index(&p->job.flat, node);
	(void)private_member(p, alias, "alias_label", true);
	return user_keep_id(p, alias, "alias_name", reterr);
}

/* That there is a list matters, and nothing in it. */
static bool
user_keep_list(struct private *p, const char *name, struct err *reterr)
{
	const struct flat_node *node = user_find(p, name);

	if (!track_list_there(node))
		return true;
	return private_replace(p, node, "[[]]", reterr);
}

static bool
user_keep_known(struct private *p, struct err *reterr)
{
	uint32_t user = flat_index(&p->job.flat, p->job.user);

	(void)private_member(p, user, "timezone", true);
	(void)private_member(p, user, "alias_label", true);
	return user_keep_id(p, user, "external_user_id", reterr) &&
	       user_keep_id(p, user, "user_id", reterr) &&
	       user_keep_id(p, user, "device_id", reterr) &&
	       user_keep_id(p, user, "alias_name", reterr) &&
	       user_keep_alias(p, "alias", reterr) &&
	       user_keep_alias(p, "user_alias", reterr) &&
	       user_keep_list(p, "aliases", reterr) &&
	       user_keep_list(p, "user_aliases", reterr);
}

/* ---- the identity ---- */

static bool
user_hide(struct private *p, const struct flat_node *node, struct err *reterr)
{
	switch (track_trouble(p->job.rules, node)) {
	case TRACK_TROUBLE_NONE:
		/* without a key nothing can be hashed: the settings want one */
		return p->job.rules->key == NULL ||
		       private_hash(p, node, CATALOGUE_PLAIN, reterr);
	case TRACK_TROUBLE_KIND:
		return private_replace(p, node, "[]", reterr);
	case TRACK_TROUBLE_UNREADABLE:
		return private_replace(p, node, "\"\xef\xbf\xbd\"", reterr);
	case TRACK_TROUBLE_LONG:
		return private_replace(p, node,
		    "\"" STARS_64 STARS_64 STARS_64 STARS_64 "\"", reterr);
	case TRACK_TROUBLE_PLACEHOLDER:
	case TRACK_TROUBLES:
		break;
	}
	return true;
}

/* Is the identity in there? */
static bool
user_holds(const struct private *p, const struct flat_node *object)
{
	const struct flat *flat = &p->job.flat;
	const struct flat_node *node = p->job.identity_node;

	while (node != object && node->parent != FLAT_ROOT)
		node = &flat->nodes[node->parent];
	return node == object;
}

/* Of the customer's ids only the one that decides is needed; if none does
 * alone, that they are there. */
static bool
user_hash_identity(struct private *p, struct err *reterr)
{
	/* the lists, which hold nothing any more, come last */
	enum { USER_LISTS = 4 };
	static const char *const ids[] = {"external_user_id", "alias",
	    "user_alias", "alias_name", "aliases", "user_aliases"};
	const struct flat_node *decides = p->job.identity_node, *node;

	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		node = user_find(p, ids[i]);
		if (node == NULL)
			continue;
		if (decides != NULL) {
			if (!user_holds(p, node))
				private_remove(p, node);
			continue;
		}
		if (node->kind == SCAN_OBJECT)
			node = flat_find(&p->job.flat,
			    flat_index(&p->job.flat, node), "alias_name");
		if (track_there(node) && i < USER_LISTS &&
		    !user_hide(p, node, reterr))
			return false;
	}
	return decides == NULL || user_hide(p, decides, reterr);
}

static bool
user_judge_added(struct private *p, const struct flat_node *node,
    const char *name, struct err *reterr)
{
	struct str text = {name, strlen(name)};

	if (node == p->job.identity_node || track_text_of(node).len == 0)
		return true;
	return private_judge(p, node, &text, CATALOGUE_PLAIN, reterr);
}

bool
private_judge_user(struct private *p, struct err *reterr)
{
	struct track_job *job = &p->job;

	if (!user_keep_known(p, reterr))
		return false;
	if (track_erasure(job))
		return true;
	(void)!track_identity_find(job); /* job->identified tells enough */
	if (!user_judge_added(p, job->timezone, "timezone", reterr))
		return false;
	if (!job->identified)
		return true;
	return user_judge_added(p, job->user_id, "braze_user_id", reterr) &&
	       user_judge_added(p, job->device_id, "device_id", reterr) &&
	       (!job->rules->identity_hash || user_hash_identity(p, reterr));
}

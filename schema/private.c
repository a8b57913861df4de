/*
 * First each member is judged, parents before children; then objects of
 * which nothing is left go too, since their names may tell; then the bytes
 * are copied around what goes.
 */
#include "schema/private_parts.h"

#include <stdlib.h>
#include <string.h>

bool
private_has_members(const struct private *p, uint32_t index)
{
	const struct flat *flat = &p->job.flat;

	return index + 1 < flat->count &&
	       flat->nodes[index + 1].parent == index;
}

static struct private_fate *
private_fate_of(struct private *p, const struct flat_node *node)
{
	return &p->fates[flat_index(&p->job.flat, node)];
}

void
private_remove(struct private *p, const struct flat_node *node)
{
	private_fate_of(p, node)->act = PRIVATE_REMOVE;
}

/* Replace it by what job.values holds from there on. */
static bool
private_replace_from(struct private *p, const struct flat_node *node, size_t at,
    struct err *reterr)
{
	struct private_fate *fate = private_fate_of(p, node);

	fate->act = PRIVATE_REPLACE;
	fate->at = at;
	fate->len = p->job.values.len - at;
	return buf_ok(&p->job.values, reterr);
}

bool
private_replace(struct private *p, const struct flat_node *node,
    const char *json, struct err *reterr)
{
	size_t at = p->job.values.len;

	(void)buf_text(&p->job.values, json);
	return private_replace_from(p, node, at, reterr);
}

bool
private_hash(struct private *p, const struct flat_node *node,
    enum catalogue_class class, struct err *reterr)
{
	struct buf *values = &p->job.values;
	struct str text = node->text;
	char hex[TRACK_HEX];
	size_t at;
	bool sent;

	if (node->kind == SCAN_OBJECT ||
	    (node->kind == SCAN_STRING && track_marked(&text)))
		return true; /* empty; or a hash already */
	if (!track_value_hash(&p->job, node, class, hex, &sent, reterr))
		return false;
	if (!sent) {
		/* too long to be sent: but somebody's all the same */
		if (node->kind == SCAN_NUMBER || node->kind == SCAN_ARRAY)
			private_remove(p, node);
		return true;
	}
	at = values->len;
	(void)buf_text(values, "\"" TRACK_MARK);
	(void)buf_append(values, hex, sizeof(hex));
	(void)buf_char(values, '"');
	return private_replace_from(p, node, at, reterr);
}

/* Judge what is in an array. */
static bool
private_judge_array(struct private *p, const struct flat_node *node,
    enum catalogue_class class, struct err *reterr)
{
	const struct track_array_rules rules = {
	    .property = "other", .class = class, .accept = true};
	size_t at = p->job.values.len;
	bool changed;

	if (!track_array_keep(&p->job, node, &rules, &changed, reterr))
		return false;
	return !changed || private_replace_from(p, node, at, reterr);
}

bool
private_judge(struct private *p, const struct flat_node *node,
    const struct str *name, enum catalogue_class class, struct err *reterr)
{
	const char *why;

	switch (track_private_of(&p->job, name, node->path_cut, class, &why)) {
	case TRACK_PRIVATE_SEND:
		return node->kind != SCAN_ARRAY ||
		       private_judge_array(p, node, class, reterr);
	case TRACK_PRIVATE_DROP:
		private_remove(p, node);
		break;
	case TRACK_PRIVATE_HASH:
		return private_hash(p, node, class, reterr);
	}
	return true;
}

static bool
private_judge_property(struct private *p, uint32_t index, struct err *reterr)
{
	const struct flat_node *node = &p->job.flat.nodes[index];

	if (node->kind == SCAN_OBJECT && private_has_members(p, index))
		return true; /* its members are judged */
	return private_judge(
	    p, node, &node->path, track_class_of(&p->job, node->top), reterr);
}

const struct flat_node *
private_member(
    struct private *p, uint32_t parent, const char *name, bool scalar)
{
	const struct flat_node *node = flat_find(&p->job.flat, parent, name);

	if (node == NULL)
		return NULL;
	if (node->kind == SCAN_NULL ||
	    (scalar ? node->kind < SCAN_ARRAY : node->kind == SCAN_OBJECT))
		private_fate_of(p, node)->act = PRIVATE_KEEP;
	return node;
}

/* Objects that lose all they had go, too. */
static void
private_prune(struct private *p)
{
	const struct flat *flat = &p->job.flat;

	for (uint32_t i = (uint32_t)flat->count; i-- > 0;) {
		const struct flat_node *node = &flat->nodes[i];

		if (node->top != FLAT_ROOT && node->kind == SCAN_OBJECT &&
		    private_has_members(p, i) && p->fates[i].left == 0)
			p->fates[i].act = PRIVATE_REMOVE;
		if (p->fates[i].act != PRIVATE_REMOVE &&
		    node->parent != FLAT_ROOT)
			p->fates[node->parent].left++;
	}
}

static bool
private_judge_all(struct private *p, struct err *reterr)
{
	const struct flat *flat = &p->job.flat;
	uint32_t properties = p->job.properties == NULL
				  ? FLAT_ROOT
				  : flat_index(flat, p->job.properties);

	for (uint32_t i = 0; i < flat->count; i++) {
		const struct flat_node *node = &flat->nodes[i];

		/* outside the properties but for what is known, see below */
		if (node->top == FLAT_ROOT ||
		    (p->unjudged && node->parent == properties))
			private_remove(p, node);
		else if (!p->unjudged && !private_judge_property(p, i, reterr))
			return false;
	}
	(void)private_member(p, FLAT_ROOT, "event_type", true);
	(void)private_member(p, FLAT_ROOT, "id", true);
	(void)private_member(p, FLAT_ROOT, "time", true);
	(void)private_member(p, FLAT_ROOT, "user", false);
	(void)private_member(p, FLAT_ROOT, "properties", false);
	if (p->job.user != NULL && !private_judge_user(p, reterr))
		return false;
	private_prune(p);
	return true;
}

static bool
private_read(
    struct private *p, const char *event, size_t len, struct err *reterr)
{
	struct track_job *job = &p->job;
	struct err err;

	if (!track_members_read(job, event, len, reterr))
		return false;
	if (job->properties != NULL &&
	    !flat_paths(&job->flat, flat_index(&job->flat, job->properties),
		len, &err)) {
		if (err.code != ERR_LIMIT)
			return err_set_nomem(reterr);
		p->unjudged = true;
	}
	track_values_init(job, len);
	p->fates = calloc(job->flat.count + 1, sizeof(*p->fates));
	return p->fates != NULL || err_set_nomem(reterr);
}

/* Is it JSON, but no object? Then none of it will ever be read. */
static bool
private_nothing(const char *event, size_t len)
{
	struct scan_value value;
	struct scan scan;

	scan_init(&scan, event, len);
	return scan_value(&scan, &value) && value.kind != SCAN_OBJECT &&
	       (!scan_opened(&value) || scan_skip(&scan, &value, FLAT_DEPTH)) &&
	       !scan_space(&scan);
}

static bool
private_event(
    struct private *p, const char *event, size_t len, struct err *reterr)
{
	if (!private_read(p, event, len, reterr) ||
	    !private_judge_all(p, reterr))
		return false;
	private_copy(p, event, len);
	return buf_ok(p->out, reterr);
}

bool
private_write(const struct track_rules *rules, const char *event, size_t len,
    struct buf *out, struct err *reterr)
{
	struct private p = {.out = out};
	size_t before = out->len;
	bool ok;

	track_job_init(&p.job, rules, &p.result);
	if (private_nothing(event, len)) {
		(void)buf_text(out, "null");
		ok = buf_ok(out, reterr);
	} else {
		ok = private_event(&p, event, len, reterr);
	}
	if (!ok) {
		buf_truncate(out, before);
		out->failed = false;
	}
	free(p.fates);
	track_job_fini(&p.job);
	return ok;
}

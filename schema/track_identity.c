/*
 * Who it is. Heap never parts two people who were merged, so an id that may
 * be shared is worse than none: a person who has an external id or an alias
 * that cannot be used is not sent under anything else, the event is dead.
 * Only who has neither is anonymous, and becomes a number.
 */
#include "schema/track_parts.h"

#include "schema/text.h"

#include <string.h>

enum track_source {
	TRACK_SOURCE_EXTERNAL,
	TRACK_SOURCE_ALIAS,
	TRACK_SOURCE_BRAZE,
	TRACK_SOURCE_DEVICE,
	TRACK_SOURCES
};

static const char *const track_source_names[TRACK_SOURCES] = {
    "external_user_id", "alias", "user_id", "device_id"};

static const char *const track_reasons[TRACK_SOURCES][TRACK_TROUBLES] = {
    {NULL, "external_user_id is not text",
	"external_user_id holds what is no character",
	"external_user_id is a placeholder",
	"external_user_id is longer than 255 characters"},
    {NULL, "alias is not text", "alias holds what is no character",
	"alias is a placeholder", "alias is longer than 255 characters"},
    {NULL, "user_id is not text", "user_id holds what is no character",
	"user_id is a placeholder", "user_id is longer than 255 characters"},
    {NULL, "device_id is not text", "device_id holds what is no character",
	"device_id is a placeholder",
	"device_id is longer than 255 characters"},
};

#define TRACK_TEXT(literal)                                                    \
	{                                                                      \
		literal, sizeof(literal) - 1                                   \
	}

/* In many places one such id stands for many people. */
static const struct str track_placeholders[] = {TRACK_TEXT("null"),
    TRACK_TEXT("undefined"), TRACK_TEXT("none"), TRACK_TEXT("nil"),
    TRACK_TEXT("0"), TRACK_TEXT("user"), TRACK_TEXT("guest"),
    TRACK_TEXT("anonymous"), TRACK_TEXT("unknown"), TRACK_TEXT("[redacted]"),
    TRACK_TEXT("00000000-0000-0000-0000-000000000000"),
    /* SHA-256 of nothing */
    TRACK_TEXT("e3b0c44298fc1c149afbf4c8996fb924"
	       "27ae41e4649b934ca495991b7852b855")};

static bool
track_placeholder(const struct track_rules *rules, const char *data, size_t len)
{
	size_t count = sizeof(track_placeholders) / sizeof(*track_placeholders);

	text_trim(&data, &len);
	if (len == 0)
		return true; /* nothing to be seen */
	for (size_t i = 0; i < count; i++) {
		const struct str *item = &track_placeholders[i];

		if (text_equal_folded(item->data, item->len, data, len))
			return true;
	}
	for (size_t i = 0; i < rules->placeholders.count; i++) {
		const char *item = rules->placeholders.items[i];
		size_t item_len = strlen(item);

		text_trim(&item, &item_len);
		if (text_equal_folded(item, item_len, data, len))
			return true;
	}
	return false;
}

bool
track_there(const struct flat_node *node)
{
	if (node == NULL || node->kind == SCAN_NULL)
		return false;
	return node->kind != SCAN_STRING ||
	       !text_blank(node->text.data, node->text.len);
}

bool
track_list_there(const struct flat_node *node)
{
	const char *at;

	if (!track_there(node) || node->kind < SCAN_ARRAY)
		return track_there(node);
	for (at = node->value + 1; strchr(" \t\r\n", *at) != NULL; at++)
		;
	return at + 1 < node->end;
}

enum track_trouble
track_trouble(const struct track_rules *rules, const struct flat_node *node)
{
	const struct str *text = &node->text;

	if (node->kind != SCAN_STRING && node->kind != SCAN_NUMBER)
		return TRACK_TROUBLE_KIND;
	if (text_mended(text->data, text->len))
		return TRACK_TROUBLE_UNREADABLE;
	if (track_placeholder(rules, text->data, text->len))
		return TRACK_TROUBLE_PLACEHOLDER;
	if (text_characters(text->data, text->len) > TRACK_IDENTITY_MAX)
		return TRACK_TROUBLE_LONG;
	return TRACK_TROUBLE_NONE;
}

/* FNV-1a, 64 bits: the quota needs no more. */
static uint64_t
track_who(char kind, const char *data, size_t len)
{
	uint64_t who =
	    (0xcbf29ce484222325U ^ (unsigned char)kind) * 0x100000001b3U;

	for (size_t i = 0; i < len; i++)
		who = (who ^ (unsigned char)data[i]) * 0x100000001b3U;
	return who;
}

/* The person is identified by this id, or the event is dead. */
static bool
track_identify(struct track_job *job, enum track_source source,
    const struct flat_node *node)
{
	enum track_trouble trouble = track_trouble(job->rules, node);
	const char *name = track_source_names[source];

	job->identity_node = node;
	if (trouble != TRACK_TROUBLE_NONE)
		return track_dead(job, track_reasons[source][trouble]);
	job->numeric = false;
	job->identity = node->text;
	job->identity_hashed = job->rules->identity_hash;
	if (job->rules->identity_hash && track_marked(&job->identity)) {
		track_say(job, "identity", 8, "%s, hashed at acceptance", name);
	} else if (job->rules->identity_hash) {
		if (job->rules->key == NULL)
			return track_dead(job, "identity_hash without a key");
		track_hash(job->rules, node->text.data, node->text.len,
		    job->identity_hex);
		job->identity = (struct str){job->identity_hex, TRACK_HEX};
		track_say(job, "identity", 8, "HMAC-SHA-256 of %s", name);
	} else {
		track_say(job, "identity", 8, "%s", name);
	}
	job->result->who =
	    track_who('i', job->identity.data, job->identity.len);
	return true;
}

/* What may be an alias: its name, and whether it has the wanted label. */
static const struct flat_node *
track_alias_name(const struct track_job *job, const struct flat_node *alias,
    bool *ret_labelled)
{
	const struct flat *flat = &job->flat;
	const char *wanted = job->rules->alias_label;
	const struct flat_node *name = alias, *label = NULL;

	if (alias->kind == SCAN_OBJECT) {
		name = flat_find(flat, flat_index(flat, alias), "alias_name");
		label = flat_find(flat, flat_index(flat, alias), "alias_label");
	}
	*ret_labelled =
	    wanted == NULL ||
	    (label != NULL && label->kind == SCAN_STRING &&
		label->text.len == strlen(wanted) &&
		memcmp(label->text.data, wanted, label->text.len) == 0);
	return name;
}

static const struct flat_node *
track_user_find(const struct track_job *job, const char *name)
{
	if (job->user == NULL)
		return NULL;
	return flat_find(&job->flat, flat_index(&job->flat, job->user), name);
}

/* The alias to use; the user itself may be one, by its alias_name. *ret_any:
 * there is one, with whatever label. */
static const struct flat_node *
track_alias_find(const struct track_job *job, bool *ret_any)
{
	static const char *const members[] = {"alias", "user_alias", NULL};

	*ret_any = false;
	for (size_t i = 0; job->user != NULL && i < 3; i++) {
		const struct flat_node *alias, *name;
		bool labelled;

		alias = members[i] == NULL ? job->user
					   : track_user_find(job, members[i]);
		if (!track_there(alias))
			continue;
		name = track_alias_name(job, alias, &labelled);
		if (!track_there(name))
			continue;
		*ret_any = true;
		if (labelled)
			return name;
	}
	return NULL;
}

/* Nobody is there, or nobody by an id that `anonymous` has. */
static bool
track_no_user(struct track_job *job)
{
	const char *reason = "no user";

	if (track_there(job->user_id))
		reason = "anonymous, and without device_id";
	else if (track_there(job->device_id))
		reason = "anonymous, and without user_id";
	if (job->known != NULL && job->known->user == 0)
		return track_drop(job, reason);
	if (job->rules->no_user_dead)
		return track_dead(job, reason);
	return track_drop(job, reason);
}

/* Nobody knows this person: a number made of the device's id or Braze's. */
static bool
track_anonymous(struct track_job *job)
{
	const struct track_rules *rules = job->rules;
	const char *reason = NULL;

	for (size_t i = 0; i < 2; i++) {
		bool device = rules->anonymous[i] == TRACK_ANONYMOUS_DEVICE;
		enum track_source source =
		    device ? TRACK_SOURCE_DEVICE : TRACK_SOURCE_BRAZE;
		const struct flat_node *node =
		    device ? job->device_id : job->user_id;
		enum track_trouble trouble;

		if (rules->anonymous[i] == TRACK_ANONYMOUS_NONE)
			break;
		if (!track_there(node))
			continue;
		trouble = track_trouble(rules, node);
		if (trouble != TRACK_TROUBLE_NONE) {
			if (reason == NULL)
				reason = track_reasons[source][trouble];
			track_say(job, "identity", 8, "not used: %s",
			    track_reasons[source][trouble]);
			continue;
		}
		job->numeric = true;
		job->number =
		    track_anonymous_user(node->text.data, node->text.len);
		job->result->who = track_who(
		    'u', (const char *)&job->number, sizeof(job->number));
		track_say(job, "identity", 8, "anonymous: a number made of %s",
		    track_source_names[source]);
		return true;
	}
	if (reason != NULL)
		return track_dead(job, reason);
	if (rules->anonymous[0] == TRACK_ANONYMOUS_NONE &&
	    (track_there(job->device_id) || track_there(job->user_id)))
		return track_drop(job, "anonymous");
	return track_no_user(job);
}

bool
track_erasure(const struct track_job *job)
{
	static const char type[] = "users.UserDeleteRequest";

	return job->type.len == sizeof(type) - 1 &&
	       memcmp(job->type.data, type, job->type.len) == 0;
}

/* A request that names no person needs the operator: it is dead. */
void
track_erasure_read(struct track_job *job)
{
	struct track_result *result = job->result;
	enum track_trouble trouble;

	if (!track_there(job->user_id)) {
		(void)track_dead(job, "erasure request without user_id");
		return;
	}
	trouble = track_trouble(job->rules, job->user_id);
	if (trouble != TRACK_TROUBLE_NONE) {
		(void)track_dead(
		    job, track_reasons[TRACK_SOURCE_BRAZE][trouble]);
		return;
	}
	result->erase_len = job->user_id->text.len;
	memcpy(result->erase, job->user_id->text.data, result->erase_len);
	(void)track_drop(job, "erasure request");
}

bool
track_identity_find(struct track_job *job)
{
	const struct flat_node *external, *alias;
	bool any_alias, list;

	external = track_user_find(job, "external_user_id");
	alias = track_alias_find(job, &any_alias);
	list = track_list_there(track_user_find(job, "aliases")) ||
	       track_list_there(track_user_find(job, "user_aliases"));
	job->identified = track_there(external) || any_alias || list;
	if (job->rules->identity == TRACK_IDENTITY_BRAZE) {
		if (track_there(job->user_id)) {
			job->identified = true;
			return track_identify(
			    job, TRACK_SOURCE_BRAZE, job->user_id);
		}
		if (job->identified)
			return track_dead(job, "identified, but no user_id");
		return track_anonymous(job);
	}
	if (track_there(external))
		return track_identify(job, TRACK_SOURCE_EXTERNAL, external);
	if (alias != NULL)
		return track_identify(job, TRACK_SOURCE_ALIAS, alias);
	if (any_alias)
		return track_dead(job, "no alias with the wanted label");
	if (list) /* which of them is nowhere said */
		return track_dead(job, "a list of aliases is no identity");
	return track_anonymous(job);
}

/*
 * Privacy. What is sent cannot be taken back, and what is kept back can be
 * sent later: so of several rules the most private one wins.
 */
#include "schema/track_parts.h"

#include "schema/text.h"

#include <string.h>

/* By class or by name. */
static bool
track_names_it(const char *selector, size_t len, const struct str *path,
    enum catalogue_class class)
{
	const char *name;

	if (text_match(selector, len, path->data, path->len, true))
		return true;
	if (class == CATALOGUE_PLAIN)
		return false;
	name = catalogue_class_name(class);
	return text_match(selector, len, name, strlen(name), false);
}

/* A slash may be part of a property's name: so it is tried as such, too. */
static bool
track_selects(const struct track_job *job, const char *selector,
    const struct str *path, enum catalogue_class class)
{
	const char *slash = strchr(selector, '/');
	size_t len = strlen(selector);

	if (track_names_it(selector, len, path, class))
		return true;
	return slash != NULL &&
	       text_match(selector, (size_t)(slash - selector), job->type.data,
		   job->type.len, false) &&
	       track_names_it(slash + 1, strlen(slash + 1), path, class);
}

static bool
track_list_selects(const struct track_job *job, const struct track_list *list,
    const struct str *path, enum catalogue_class class)
{
	for (size_t i = 0; i < list->count; i++) {
		if (track_selects(job, list->items[i], path, class))
			return true;
	}
	return false;
}

/* UserOrphan tells whose events are now another's: with Braze's id as the
 * identity, both are identities. */
static bool
track_names_identity(const struct track_job *job, const struct str *path)
{
	static const char orphan[] = "orphaned_by_id";

	return job->rules->identity_hash &&
	       job->rules->identity == TRACK_IDENTITY_BRAZE &&
	       text_match(
		   orphan, sizeof(orphan) - 1, path->data, path->len, true);
}

enum track_private
track_private_of(const struct track_job *job, const struct str *path,
    bool path_cut, enum catalogue_class class, const char **ret_why)
{
	const struct track_rules *rules = job->rules;

	*ret_why = NULL;
	if (class == CATALOGUE_PLAIN && rules->drop.count == 0 &&
	    rules->hash.count == 0 && rules->keep.count == 0 &&
	    !rules->identity_hash)
		return TRACK_PRIVATE_SEND; /* by far the most */
	*ret_why = "class secret is never sent";
	if (class == CATALOGUE_SECRET)
		return TRACK_PRIVATE_DROP;
	*ret_why = "too long a name to be judged by drop and hash";
	if (path_cut && rules->drop.count + rules->hash.count > 0)
		return TRACK_PRIVATE_DROP;
	*ret_why = "drop";
	if (track_list_selects(job, &rules->drop, path, class))
		return TRACK_PRIVATE_DROP;
	*ret_why = "hash";
	if (track_names_identity(job, path) ||
	    track_list_selects(job, &rules->hash, path, class)) {
		if (rules->key != NULL)
			return TRACK_PRIVATE_HASH;
		*ret_why = "hash, but there is no key";
		return TRACK_PRIVATE_DROP;
	}
	*ret_why = "keep";
	if (track_list_selects(job, &rules->keep, path, class))
		return TRACK_PRIVATE_SEND;
	*ret_why = NULL;
	switch (class) {
	case CATALOGUE_PLAIN:
		return TRACK_PRIVATE_SEND;
	case CATALOGUE_CONTENT:
		*ret_why = "class content, not in keep";
		return TRACK_PRIVATE_DROP;
	case CATALOGUE_CONTACT:
		*ret_why = "class contact, not in keep";
		return TRACK_PRIVATE_DROP;
	case CATALOGUE_SECRET:
		break;
	}
	return TRACK_PRIVATE_DROP;
}

void
track_hash(const struct track_rules *rules, const char *data, size_t len,
    char ret_hex[TRACK_HEX])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char hash[DIGEST_SHA256];

	digest_hmac_sha256(rules->key, rules->key_len, data, len, hash);
	for (size_t i = 0; i < DIGEST_SHA256; i++) {
		ret_hex[2 * i] = digits[hash[i] >> 4];
		ret_hex[2 * i + 1] = digits[hash[i] & 15];
	}
}

bool
track_marked(struct str *text)
{
	const size_t mark = sizeof(TRACK_MARK) - 1;

	if (text->len != mark + TRACK_HEX ||
	    memcmp(text->data, TRACK_MARK, mark) != 0)
		return false;
	for (size_t i = mark; i < text->len; i++) {
		char c = text->data[i];

		if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
			return false;
	}
	text->data += mark;
	text->len = TRACK_HEX;
	return true;
}

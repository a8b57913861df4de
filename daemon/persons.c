#include "daemon/persons.h"

#include "base/buf.h"
#include "base/item.h"
#include "base/table.h"
#include "schema/track/track.h"

#include <stdlib.h>
#include <string.h>

enum {
	PERSONS_MAX = 65536, /* ids and devices: more than a few people have */
};

/* An id or a device. */
struct persons_id {
	size_t at, len; /* in the texts */
	bool device;
	bool given;
	bool beside; /* given: there is another one */
	bool form;   /* as private_at = accept stores another one */
	bool shared; /* a device */
};

struct persons {
	struct settings *settings;
	struct persons_id *list; /* owned */
	size_t count, cap;
	struct buf texts;
	struct table table;
	struct str *ids; /* owned; without devices */
	size_t id_count;
	size_t named; /* by the event whose ids are added */
	bool full, starved;
};

/* ---- whose an item is ---- */

bool
persons_change(
    struct str type, struct str data, struct str *ret_member, bool *ret_entered)
{
	return type.len > 0 && item_change_read(data, ret_member, ret_entered);
}

/* A change that is a dead letter has what stood for its member. It may be no id
 * at all, or several, so that it can only be searched. */
static bool
persons_flawed(struct str type, struct str data)
{
	static const char key[] = "event_type";

	return type.len > 0 &&
	       memmem(data.data, data.len, key, sizeof(key) - 1) == NULL;
}

bool
persons_each(struct str type, struct str data, person_fn *fn, void *arg)
{
	struct str member;
	bool entered;

	if (persons_change(type, data, &member, &entered)) {
		(void)fn(arg, PERSON_EXTERNAL, member);
		return true;
	}
	return !persons_flawed(type, data) && person_each(data, fn, arg);
}

bool
persons_matches(
    struct str type, struct str data, const struct str *ids, size_t count)
{
	struct str member = {0};
	bool entered, found = false;

	if (!persons_change(type, data, &member, &entered) &&
	    !persons_flawed(type, data))
		return person_matches(data, ids, count);
	for (size_t i = 0; i < count && !found; i++)
		found = member.data != NULL ? str_equal(member, ids[i])
					    : person_mentioned(data, ids[i]);
	return found;
}

/* ---- the set ---- */

static struct str
persons_text(const struct persons *persons, const struct persons_id *id)
{
	return str_bytes(persons->texts.data + id->at, id->len);
}

static uint64_t
persons_hash(struct str text, bool device)
{
	return str_hash(device ? 'd' : 'i', text);
}

struct persons_key {
	const struct persons *persons;
	struct str text;
	bool device;
};

static bool
persons_equal(const void *arg, uint32_t position)
{
	const struct persons_key *key = arg;
	const struct persons_id *id = &key->persons->list[position];

	return id->device == key->device &&
	       str_equal(key->text, persons_text(key->persons, id));
}

static struct persons_id *
persons_get(const struct persons *persons, struct str text, bool device)
{
	struct persons_key key = {persons, text, device};
	uint32_t at = table_find(
	    &persons->table, persons_hash(text, device), persons_equal, &key);

	return at == TABLE_NONE ? NULL : &persons->list[at];
}

/* Room for one more. */
static bool
persons_grow(struct persons *persons)
{
	size_t cap = persons->cap == 0 ? 64 : persons->cap * 2;
	struct persons_id *list;

	if (!table_reserve(&persons->table, persons->count + 1))
		return false;
	if (persons->count < persons->cap)
		return true;
	list = realloc(persons->list, cap * sizeof(*list));
	if (list == NULL)
		return false;
	persons->list = list;
	persons->cap = cap;
	return true;
}

/* Add it, unless it is there; NULL if that failed. */
static struct persons_id *
persons_add(struct persons *persons, struct str text, bool device)
{
	struct persons_id *id = persons_get(persons, text, device);

	if (id != NULL || persons->starved)
		return id;
	if (persons->count == PERSONS_MAX ||
	    text.len > persons->texts.limit - persons->texts.len) {
		persons->full = true;
		return NULL;
	}
	persons->starved = !persons_grow(persons) ||
			   !buf_append(&persons->texts, text.data, text.len);
	if (persons->starved)
		return NULL;
	id = &persons->list[persons->count];
	*id = (struct persons_id){
	    .at = persons->texts.len - text.len,
	    .len = text.len,
	    .device = device,
	};
	table_add(&persons->table, persons_hash(text, device),
	    (uint32_t)persons->count++);
	return id;
}

/* Add all ids as private_at = accept stores them. */
static bool
persons_add_hashed(struct persons *persons, struct err *reterr)
{
	struct settings *settings = persons->settings;
	size_t count = persons->count;

	for (size_t d = 0; d < settings->destination_count; d++) {
		struct settings_destination *to = &settings->destinations[d];

		if (to->hash_key_file == NULL)
			continue;
		if (!settings_rules_complete(settings, to, reterr))
			return false;
		for (size_t i = 0; i < count; i++) {
			struct persons_id from = persons->list[i], *form;
			char hashed[REDACT_ID_BYTES];

			redact_id_write(&to->track.rules,
			    persons_text(persons, &from), hashed);
			form = persons_add(persons,
			    str_bytes(hashed, sizeof(hashed)), from.device);
			if (form != NULL) {
				form->form = true;
				form->given = form->given || from.given;
			}
		}
	}
	return !persons->starved || err_set_nomem(reterr);
}

bool
persons_new(struct settings *settings, const char *const *given, size_t count,
    struct persons **ret_persons, struct err *reterr)
{
	struct persons *persons = calloc(1, sizeof(*persons));
	struct persons_id *id;

	if (persons == NULL)
		return err_set_nomem(reterr);
	persons->settings = settings;
	buf_init(&persons->texts, (size_t)PERSONS_MAX * PERSON_ID_MAX);
	for (size_t i = 0; i < count; i++) {
		id = persons_add(persons, str_text(given[i]), false);
		if (id != NULL)
			id->given = true;
	}
	if (!persons_add_hashed(persons, reterr)) {
		persons_free(persons);
		return false;
	}
	*ret_persons = persons;
	return true;
}

void
persons_free(struct persons *persons)
{
	if (persons == NULL)
		return;
	buf_fini(&persons->texts);
	free(persons->list);
	free(persons->ids);
	table_fini(&persons->table);
	free(persons);
}

/* ---- one event ---- */

bool
persons_stands_for_many(const struct settings *settings, struct str id)
{
	for (size_t i = 0; i < settings->destination_count; i++) {
		if (track_placeholder(
			&settings->destinations[i].track.rules, id))
			return true;
	}
	return false;
}

/* Names the person of the event, and the same person as the others that do. */
static bool
persons_names(enum person_id kind)
{
	return kind == PERSON_EXTERNAL || kind == PERSON_BRAZE ||
	       kind == PERSON_ALIAS;
}

/* What the ids of an event say. */
struct persons_event {
	struct persons *persons;
	size_t named, given; /* ids; and of those that name, the given ones */
	bool match, other;   /* of the set; somebody else, for sure */
	bool device;	     /* of the set, and not shared */
};

static bool
event_look(void *arg, enum person_id kind, struct str id)
{
	struct persons_event *event = arg;
	const struct persons_id *known = persons_get(event->persons, id, false);

	if (persons_names(kind) &&
	    !persons_stands_for_many(event->persons->settings, id)) {
		event->named++;
		event->given += known != NULL && known->given;
	}
	/* A device that was found says nothing by itself. */
	if (known != NULL && (kind != PERSON_DEVICE || known->given))
		event->match = true;
	if (known == NULL &&
	    (kind == PERSON_EXTERNAL || kind == PERSON_ALIAS) &&
	    !persons_stands_for_many(event->persons->settings, id))
		event->other = true;
	if (kind == PERSON_DEVICE) {
		known = persons_get(event->persons, id, true);
		event->device =
		    event->device || (known != NULL && !known->shared);
	}
	return true;
}

static bool
event_find(void *arg, enum person_id kind, struct str id)
{
	struct persons *persons = arg;
	struct persons_id *known;

	if (kind == PERSON_OTHER || id.len == 0 ||
	    persons_stands_for_many(persons->settings, id))
		return true;
	known = persons_add(persons, id, kind == PERSON_DEVICE);
	if (known != NULL && persons_names(kind) && persons->named > 1)
		known->beside = true;
	return true;
}

void
persons_find(struct persons *persons, struct str type, struct str data)
{
	struct persons_event one = {.persons = persons};

	if (!persons_each(type, data, event_look, &one) || one.given == 0)
		return;
	persons->named = one.named;
	(void)persons_each(type, data, event_find, persons);
}

bool
persons_found(struct persons *persons, bool *ret_devices, struct err *reterr)
{
	if (persons->full)
		return err_set(reterr, ERR_LIMIT,
		    "these ids stand beside more than %d others, so they are "
		    "not of a few people: erase fewer at once, or leave out "
		    "what is a placeholder",
		    PERSONS_MAX);
	if (!persons_add_hashed(persons, reterr))
		return false;
	persons->ids = calloc(persons->count + 1, sizeof(*persons->ids));
	if (persons->ids == NULL)
		return err_set_nomem(reterr);
	*ret_devices = false;
	for (size_t i = 0; i < persons->count; i++) {
		if (persons->list[i].device)
			*ret_devices = true;
		else
			persons->ids[persons->id_count++] =
			    persons_text(persons, &persons->list[i]);
	}
	return true;
}

static bool
event_share(void *arg, enum person_id kind, struct str id)
{
	struct persons_id *device =
	    kind == PERSON_DEVICE ? persons_get(arg, id, true) : NULL;

	if (device != NULL)
		device->shared = true;
	return true;
}

void
persons_share(struct persons *persons, struct str type, struct str data)
{
	struct persons_event one = {.persons = persons};

	if (persons_each(type, data, event_look, &one) && one.other &&
	    one.device)
		(void)persons_each(type, data, event_share, persons);
}

bool
persons_match(struct persons *persons, struct str type, struct str data)
{
	struct persons_event one = {.persons = persons};

	if (persons_each(type, data, event_look, &one))
		return one.match || (one.device && !one.other);
	for (size_t i = 0; i < persons->id_count; i++) {
		if (person_mentioned(data, persons->ids[i]))
			return true;
	}
	return false;
}

const struct str *
persons_ids(const struct persons *persons, size_t *ret_count)
{
	*ret_count = persons->id_count;
	return persons->ids;
}

struct persons_told
persons_told(const struct persons *persons)
{
	struct persons_told told = {0};

	for (size_t i = 0; i < persons->count; i++) {
		const struct persons_id *id = &persons->list[i];

		told.shared += id->device && id->shared;
		told.found += !id->device && !id->given && !id->form;
		told.alone += id->given && !id->beside && !id->form;
	}
	return told;
}

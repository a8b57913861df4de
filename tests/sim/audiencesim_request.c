/*
 * The rules of Braze's interfaces. A breach is counted as a violation if
 * Braze documents that it must not be sent, whatever else is wrong; what a
 * sender cannot know is only refused.
 */

#include "tests/sim/audiencesim_request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
	ID_BYTES_MOST = 987,
	NAME_MOST = 255, /* characters */
	EXPORT_MOST = 50,
};

static bool
refuse(struct audiencesim_request *request, unsigned status, const char *why)
{
	if (request->status == 0) {
		request->status = status;
		request->why = why;
	}
	return false;
}

static bool
violate(struct audiencesim_request *request, unsigned status, const char *rule,
    const char *why)
{
	audiencesim_books_violated(request->books, rule);
	return refuse(request, status, why);
}

void
audiencesim_request_fini(struct audiencesim_request *request)
{
	json_decref(request->errors);
	json_decref(request->profiles);
	json_decref(request->missing);
	json_decref(request->body);
	free(request->changes);
	free(request->name);
}

static bool
is_text(const json_t *value)
{
	return json_string_length(value) > 0;
}

/* Characters of valid UTF-8. */
static size_t
characters(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/* ISO 8601 with date, time and zone; 0 if it is none. */
static uint32_t
date_read(const char *text)
{
	struct tm parts = {0};
	struct tm zone = {0};
	const char *at = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
	int sign = 0;
	int day = parts.tm_mday;
	time_t time;

	if (at == NULL)
		return 0;
	if (*at == '.' && at[1] >= '0' && at[1] <= '9')
		at += 1 + strspn(at + 1, "0123456789");
	if (*at == '+' || *at == '-')
		sign = *at == '+' ? 1 : -1;
	if (*at == 'Z')
		at++;
	else if (sign == 0 || (at = strptime(at + 1, "%H:%M", &zone)) == NULL)
		return 0;
	time = timegm(&parts); /* corrects days that there are not */
	if (*at != '\0' || parts.tm_mday != day || time <= 0)
		return 0;
	return (uint32_t)(time - sign * 60 * (60 * zone.tm_hour + zone.tm_min));
}

static bool
is_json_type(const char *type)
{
	static const char json[] = "application/json";
	size_t len = sizeof(json) - 1;

	return type != NULL && strncasecmp(type, json, len) == 0 &&
	       (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

/* What holds for each interface. */
static bool
body_read(struct audiencesim_request *request)
{
	const struct sim_call *call = request->call;

	if (call->too_large)
		return violate(
		    request, 413, "body too large", "Request Entity Too Large");
	if (!is_json_type(sim_call_header(call, "Content-Type")))
		violate(request, 400, "content type",
		    "Content-Type should be application/json");
	if (sim_call_header(call, "Content-Encoding") != NULL)
		violate(request, 400, "content encoding",
		    "Content-Encoding should be absent");
	request->body =
	    json_loadb(call->body, call->len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(request->body))
		return violate(
		    request, 400, "not JSON", "The request is not valid JSON");
	return request->status == 0;
}

/* Nothing else may be in an object; names ends with NULL. */
static bool
has_only(const json_t *object, const char *const *names)
{
	size_t known = 0;

	for (; *names != NULL; names++)
		known += json_object_get(object, *names) != NULL;
	return json_object_size(object) == known;
}

static bool
bearer_read(struct audiencesim_request *request, bool allowed)
{
	const char *key = sim_call_header(request->call, "Authorization");

	if (key == NULL || strncmp(key, "Bearer ", 7) != 0 ||
	    strcmp(key + 7, request->settings->api_key) != 0)
		return refuse(request, 401, "Invalid API key");
	if (!allowed)
		return refuse(request, 403, "The API key lacks the permission");
	return true;
}

/* Room for one more; pointers to earlier ones do not last. */
static struct audiencesim_change *
change_add(struct audiencesim_request *request)
{
	if ((request->n & (request->n - 1)) == 0)
		request->changes = sim_grow(request->changes,
		    request->n > 0 ? 2 * request->n : 1,
		    sizeof(*request->changes));
	request->changes[request->n] = (struct audiencesim_change){0};
	return &request->changes[request->n++];
}

static bool
is_refused_group(const struct audiencesim_request *request, const char *name)
{
	const char *part = request->settings->refuse_group;

	return part[0] != '\0' && strstr(name, part) != NULL;
}

static bool
is_refused_person(const struct audiencesim_request *request, const char *id)
{
	const char *part = request->settings->refuse_person;

	return part[0] != '\0' && strstr(id, part) != NULL;
}

/* An object of /users/track as far as it is read. */
struct object {
	struct audiencesim_request *request;
	struct audiencesim_person *person;
	size_t first; /* change */
	bool make;
	const char *flaw; /* or NULL */
};

static void
object_refuse(struct object *object, const char *type)
{
	if (object->flaw == NULL)
		object->flaw = type;
}

static void
object_violate(struct object *object, const char *rule, const char *type)
{
	audiencesim_books_violated(object->request->books, rule);
	object_refuse(object, type);
}

/* {"alias_name", "alias_label"}, both needed and nothing else; the person of
 * it, or NULL. */
static struct audiencesim_person *
alias_read(struct audiencesim_request *request, const json_t *alias)
{
	static const char *const members[] = {
	    "alias_name", "alias_label", NULL};
	const json_t *name = json_object_get(alias, "alias_name");
	const json_t *label = json_object_get(alias, "alias_label");
	struct audiencesim_person *person;
	struct sim_text kind = {0};

	if (!is_text(name) || !is_text(label) || !has_only(alias, members))
		return NULL;
	sim_text_print(&kind, "alias:%s", json_string_value(label));
	person = audiencesim_person_get(
	    request->books, kind.at, json_string_value(name));
	sim_text_fini(&kind);
	return person;
}

static void
id_judge(struct object *object, const char *kind, const json_t *value)
{
	const char *text = json_string_value(value);

	if (strcmp(kind, "user_alias") == 0) {
		object->person = alias_read(object->request, value);
		if (object->person == NULL)
			object_violate(object, "alias", "ALIAS_BAD_FORMAT");
		return;
	}
	if (!is_text(value)) {
		object_violate(object, "id", "ID_BAD_FORMAT");
		return;
	}
	if (json_string_length(value) > ID_BYTES_MOST)
		object_refuse(object, "EXTERNAL_USER_ID_TOO_LARGE");
	if (strcmp(kind, "email") == 0 && strchr(text, '@') == NULL)
		object_refuse(object, "EMAIL_BAD_FORMAT");
	object->person =
	    audiencesim_person_get(object->request->books, kind, text);
}

/* Exactly one, and never a device. */
static void
identity_read(struct object *object, const json_t *json)
{
	static const char *const kinds[] = {
	    "external_id", "user_alias", "braze_id", "email", "phone"};
	const json_t *value;
	size_t n = 0;
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		value = json_object_get(json, kinds[i]);
		if (value == NULL)
			continue;
		id_judge(object, kinds[i], value);
		if (strcmp(kinds[i], "user_alias") == 0)
			object->make = false;
		n++;
	}
	if (json_object_get(json, "device_id") != NULL)
		object_violate(object, "device id", "DEVICE_ID_NOT_ALLOWED");
	if (n != 1)
		object_violate(object, "not one profile",
		    "exactly one identifier is required");
	if (object->person != NULL &&
	    is_refused_person(object->request, object->person->id))
		object_refuse(object, object->request->settings->refuse_type);
}

/* A person's attribute twice in a request: which is the last? */
static void
change_put(struct object *object, struct audiencesim_change change)
{
	struct audiencesim_request *request = object->request;
	enum audiencesim_kind kind;
	size_t i;

	if (object->person == NULL)
		return;
	change.person = object->person;
	kind = audiencesim_kind_of(change.person, change.group);
	if (kind > AUDIENCESIM_REMOVED && change.kind > AUDIENCESIM_REMOVED &&
	    kind != change.kind)
		object_violate(object, "type of an attribute changed",
		    "the attribute has another type");
	for (i = 0; i < request->n; i++)
		if (request->changes[i].person == change.person &&
		    request->changes[i].group == change.group)
			object_violate(object, "twice in a request",
			    "the attribute comes twice");
	*change_add(request) = change;
}

static void
array_read(struct object *object, const struct audiencesim_group *array,
    const json_t *elements, bool in)
{
	struct audiencesim_books *books = object->request->books;
	const json_t *element;
	size_t i;

	if (elements == NULL)
		return;
	if (!json_is_array(elements))
		object_violate(object, "value", "INVALID_ATTRIBUTE_VALUE");
	json_array_foreach(elements, i, element)
	{
		if (!is_text(element) ||
		    characters(json_string_value(element)) > NAME_MOST) {
			object_violate(
			    object, "value", "INVALID_ATTRIBUTE_VALUE");
			continue;
		}
		change_put(object, (struct audiencesim_change){
				       .group = audiencesim_group_get(books,
					   json_string_value(element), array),
				       .kind = AUDIENCESIM_MEMBER,
				       .in = in,
				       .make = object->make,
				   });
	}
}

static void
attribute_read(struct object *object, const char *name, const json_t *value)
{
	static const char *const members[] = {"add", "remove", NULL};
	struct audiencesim_change change = {.make = object->make};

	if (name[0] == '\0' || characters(name) > NAME_MOST) {
		object_violate(
		    object, "attribute name", "INVALID_ATTRIBUTE_NAME");
		return;
	}
	if (is_refused_group(object->request, name))
		object_refuse(object, "the attribute is blocked");
	change.group =
	    audiencesim_group_get(object->request->books, name, NULL);
	if (json_is_boolean(value)) {
		change.kind = AUDIENCESIM_BOOLEAN;
		change.in = json_is_true(value);
	} else if (json_is_null(value)) {
		change.kind = AUDIENCESIM_REMOVED;
	} else if (json_is_string(value)) {
		change.kind = AUDIENCESIM_DATE;
		change.in = true;
		change.date = date_read(json_string_value(value));
	}
	if (json_is_object(value) && json_object_size(value) > 0 &&
	    has_only(value, members)) {
		array_read(
		    object, change.group, json_object_get(value, "add"), true);
		array_read(object, change.group,
		    json_object_get(value, "remove"), false);
	} else if (change.kind == AUDIENCESIM_NEVER ||
		   (change.kind == AUDIENCESIM_DATE && change.date == 0)) {
		object_violate(object, "value", "INVALID_ATTRIBUTE_VALUE");
	} else {
		change_put(object, change);
	}
}

static bool
is_identity(const char *name)
{
	return strcmp(name, "external_id") == 0 ||
	       strcmp(name, "user_alias") == 0 ||
	       strcmp(name, "braze_id") == 0 || strcmp(name, "email") == 0 ||
	       strcmp(name, "phone") == 0 || strcmp(name, "device_id") == 0;
}

static void
attributes_read(struct object *object, json_t *json)
{
	const char *name;
	json_t *value;

	json_object_foreach(json, name, value)
	{
		if (strcmp(name, "_update_existing_only") == 0) {
			if (!json_is_boolean(value))
				object_violate(
				    object, "value", "INVALID_ATTRIBUTE_VALUE");
		} else if (!is_identity(name)) {
			attribute_read(object, name, value);
		}
	}
}

/* Without _update_existing_only an id makes a profile, an alias does not. */
static void
object_read(struct audiencesim_request *request, json_t *json, size_t index)
{
	struct object object = {
	    .request = request, .first = request->n, .make = true};
	const json_t *only = json_object_get(json, "_update_existing_only");

	if (json_is_object(json)) {
		identity_read(&object, json);
		if (only != NULL)
			object.make = json_is_false(only);
		attributes_read(&object, json);
	} else {
		object_violate(&object, "not an object", "not an object");
	}
	if (object.flaw == NULL) {
		request->good++;
		return;
	}
	request->n = object.first; /* nothing of it is taken */
	if (request->errors == NULL)
		request->errors = json_array();
	json_array_append_new(request->errors,
	    json_pack("{s:s, s:s, s:I}", "type", object.flaw, "input_array",
		"attributes", "index", (json_int_t)index));
}

void
audiencesim_track_read(struct audiencesim_request *request)
{
	static const char *const members[] = {"attributes", NULL};
	const struct audiencesim_settings *settings = request->settings;
	json_t *attributes;
	json_t *object;
	size_t i;

	if (!bearer_read(request, settings->may_track) || !body_read(request))
		return;
	attributes = json_object_get(request->body, "attributes");
	if (!has_only(request->body, members))
		violate(request, 400, "unexpected member",
		    "only attributes are expected");
	if (!json_is_array(attributes)) {
		violate(request, 400, "not an array",
		    "attributes should be an array");
		return;
	}
	request->items = json_array_size(attributes);
	audiencesim_books_count(
	    request->books, AUDIENCESIM_OBJECTS, request->items);
	if (request->items > (uint64_t)settings->most_objects) {
		violate(request, 400, "too many objects",
		    "Max Input Length Exceeded");
		return;
	}
	json_array_foreach(attributes, i, object)
	    object_read(request, object, i);
	if (settings->refuse == AUDIENCESIM_REFUSE_REQUEST &&
	    request->errors != NULL) {
		json_decref(request->errors);
		request->errors = NULL;
		refuse(request, 400, "Bad Request");
	} else if (request->good == 0) {
		refuse(request, 400,
		    "Valid data must be provided in the 'attributes', "
		    "'events', or 'purchases' fields.");
	}
}

static bool
key_is(struct audiencesim_request *request, const char *member, const char *key,
    const char *why)
{
	const json_t *value = json_object_get(request->body, member);

	if (is_text(value) && strcmp(json_string_value(value), key) == 0)
		return true;
	if (!is_text(value))
		audiencesim_books_violated(request->books, "no key");
	return refuse(request, 401, why);
}

/* The path is /partners/NAME/cohorts... */
static bool
partner_is(const struct audiencesim_request *request)
{
	static const char before[] = "/partners/";
	const char *name = request->call->path + sizeof(before) - 1;
	size_t len = strlen(request->settings->partner);

	return strncmp(name, request->settings->partner, len) == 0 &&
	       name[len] == '/';
}

/*
 * What holds for both of the cohorts' paths: the keys are in the body, and
 * nowhere else. An empty cohort_changes tests them, so the cohort is looked
 * for by the caller.
 */
static bool
partner_read(struct audiencesim_request *request)
{
	const struct audiencesim_settings *settings = request->settings;
	const struct sim_call *call = request->call;

	if (sim_call_shows(call, settings->partner_key) ||
	    sim_call_shows(call, settings->import_key) ||
	    sim_call_header(call, "Authorization") != NULL)
		violate(request, 400, "key outside of the body",
		    "keys belong in the body");
	if (!partner_is(request))
		return refuse(request, 404, "no such partner");
	return body_read(request) &&
	       key_is(request, "partner_api_key", settings->partner_key,
		   "Invalid partner key") &&
	       key_is(request, "client_secret", settings->import_key,
		   "Invalid client secret");
}

/* Another request of it must not be in flight, unless its sender gave up. */
static bool
cohort_take(struct audiencesim_request *request)
{
	const json_t *id = json_object_get(request->body, "cohort_id");

	if (!is_text(id))
		return violate(request, 400, "cohort_id",
		    "cohort_id must be a valid string");
	request->cohort =
	    audiencesim_cohort_get(request->books, json_string_value(id));
	if (request->cohort->busy != NULL &&
	    sim_call_is_open(request->cohort->busy))
		return violate(request, 423, "two requests of a cohort",
		    "Resource locked");
	request->cohort->busy = request->call;
	if (is_refused_group(request, json_string_value(id)))
		return refuse(request, 400, "Bad Request");
	return true;
}

void
audiencesim_cohort_read(struct audiencesim_request *request)
{
	static const char *const members[] = {"partner_api_key",
	    "client_secret", "cohort_id", "name", "created_at", NULL};
	const json_t *name, *created_at;

	if (!partner_read(request) || !cohort_take(request))
		return;
	name = json_object_get(request->body, "name");
	created_at = json_object_get(request->body, "created_at");
	if (!has_only(request->body, members))
		violate(request, 400, "unexpected member",
		    "a member that nobody knows");
	if (!is_text(name))
		violate(request, 400, "name", "name must not be empty");
	if (!is_text(created_at) ||
	    date_read(json_string_value(created_at)) == 0)
		violate(request, 400, "created_at",
		    "created_at must be an ISO 8601 timestamp");
	if (request->status == 0)
		request->name =
		    sim_copy(json_string_value(name), json_string_length(name));
}

static void
member_read(struct audiencesim_request *request,
    struct audiencesim_person *person, bool in)
{
	if (person == NULL) {
		violate(request, 400, "shape", "bad cohort_changes");
		return;
	}
	request->items++;
	if (person->request == request->number)
		violate(
		    request, 400, "twice in a request", "a person comes twice");
	person->request = request->number;
	if (is_refused_person(request, person->id))
		refuse(request, 400, request->settings->refuse_type);
	*change_add(request) = (struct audiencesim_change){
	    .group = request->cohort->group,
	    .person = person,
	    .kind = AUDIENCESIM_MEMBER,
	    .in = in,
	};
}

static void
members_read(struct audiencesim_request *request, const json_t *list,
    const char *kind, bool in)
{
	const json_t *id;
	size_t i;

	if (list != NULL && !json_is_array(list))
		violate(request, 400, "shape", "bad cohort_changes");
	json_array_foreach(list, i, id) member_read(request,
	    kind == NULL  ? alias_read(request, id)
	    : is_text(id) ? audiencesim_person_get(
				request->books, kind, json_string_value(id))
			  : NULL,
	    in);
}

static void
change_read(struct audiencesim_request *request, const json_t *change)
{
	static const char *const members[] = {
	    "user_ids", "device_ids", "aliases", "should_remove", NULL};
	const json_t *remove = json_object_get(change, "should_remove");
	bool in = !json_is_true(remove);

	if (!json_is_object(change) || !has_only(change, members) ||
	    (remove != NULL && !json_is_boolean(remove)))
		violate(request, 400, "shape", "bad cohort_changes");
	members_read(
	    request, json_object_get(change, "user_ids"), "external_id", in);
	members_read(
	    request, json_object_get(change, "device_ids"), "device_id", in);
	members_read(request, json_object_get(change, "aliases"), NULL, in);
}

void
audiencesim_cohort_users_read(struct audiencesim_request *request)
{
	static const char *const members[] = {"partner_api_key",
	    "client_secret", "cohort_id", "cohort_changes", NULL};
	const json_t *changes;
	const json_t *change;
	size_t i;

	if (!partner_read(request) || !cohort_take(request))
		return;
	changes = json_object_get(request->body, "cohort_changes");
	if (!json_is_array(changes) || !has_only(request->body, members)) {
		violate(request, 400, "shape", "bad cohort_changes");
		return;
	}
	if (json_array_size(changes) == 0)
		return;
	if (request->cohort->name == NULL)
		violate(request, 400, "unknown cohort", "no such cohort");
	json_array_foreach(changes, i, change) change_read(request, change);
	audiencesim_books_count(
	    request->books, AUDIENCESIM_IDS, request->items);
	if (request->items > (uint64_t)request->settings->most_ids)
		violate(request, 400, "too many ids",
		    "more than 1000 user_ids, device_ids and aliases");
}

static void
profile_find(struct audiencesim_request *request, const char *kind,
    struct audiencesim_person *person, json_t *id)
{
	if (person == NULL) {
		violate(request, 400, "shape", "bad ids");
		return;
	}
	request->items++;
	if (!audiencesim_has_profile(person, request->settings)) {
		json_array_append(request->missing, id);
		return;
	}
	/* A profile may have several aliases. */
	json_array_append_new(request->profiles,
	    json_pack("{s:o, s:o}", kind,
		json_is_object(id) ? json_pack("[O]", id) : json_incref(id),
		"custom_attributes",
		audiencesim_person_json(request->books, person)));
}

static void
profiles_find(struct audiencesim_request *request, const char *member,
    const char *kind, json_t *list)
{
	json_t *id;
	size_t i;

	if (list != NULL && !json_is_array(list))
		violate(request, 400, "shape", "bad ids");
	json_array_foreach(list, i, id) profile_find(request, member,
	    kind == NULL  ? alias_read(request, id)
	    : is_text(id) ? audiencesim_person_get(
				request->books, kind, json_string_value(id))
			  : NULL,
	    id);
}

/* By a member that names one profile alone. */
static void
single_find(
    struct audiencesim_request *request, const char *kind, const char *member)
{
	json_t *one = json_object_get(request->body, member);

	if (one == NULL)
		return;
	profile_find(request, kind,
	    is_text(one) ? audiencesim_person_get(
			       request->books, kind, json_string_value(one))
			 : NULL,
	    one);
}

void
audiencesim_export_read(struct audiencesim_request *request)
{
	static const char *const members[] = {"external_ids", "user_aliases",
	    "braze_id", "email_address", "device_id", "fields_to_export", NULL};

	if (!bearer_read(request, request->settings->may_export) ||
	    !body_read(request))
		return;
	if (!has_only(request->body, members) ||
	    json_array_size(
		json_object_get(request->body, "fields_to_export")) == 0)
		violate(request, 400, "shape", "bad fields_to_export");
	request->profiles = json_array();
	request->missing = json_array();
	profiles_find(request, "external_id", "external_id",
	    json_object_get(request->body, "external_ids"));
	profiles_find(request, "user_aliases", NULL,
	    json_object_get(request->body, "user_aliases"));
	single_find(request, "braze_id", "braze_id");
	single_find(request, "email", "email_address");
	if (request->items == 0)
		refuse(request, 400, "no ids");
	if (request->items > EXPORT_MOST)
		violate(request, 400, "too many ids", "more than 50 ids");
}

/* Writes the books: as JSON, as a list of keys, one event. */

#include "tests/sim/heapsim_ledger.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const count_names[HEAPSIM_COUNTS] = {
    [HEAPSIM_REQUESTS] = "requests",
    [HEAPSIM_RECEIVED] = "received",
    [HEAPSIM_ACCEPTED] = "accepted",
    [HEAPSIM_REPEATED] = "repeated",
    [HEAPSIM_SPLIT] = "split",
    [HEAPSIM_DROPPED] = "dropped",
    [HEAPSIM_REFUSED] = "refused",
    [HEAPSIM_REFUSED_EVENTS] = "refused_events",
    [HEAPSIM_OVER_QUOTA] = "over_quota",
    [HEAPSIM_OVER_QUOTA_EVENTS] = "over_quota_events",
    [HEAPSIM_FAILED] = "failed",
    [HEAPSIM_FAILED_AFTER] = "failed_after",
    [HEAPSIM_HUNG] = "hung",
    [HEAPSIM_RESET] = "reset",
    [HEAPSIM_CUT] = "cut",
    [HEAPSIM_USER_PROPERTIES] = "user_properties",
};

/* What is counted for each app too. */
static const enum heapsim_count app_counts[] = {HEAPSIM_RECEIVED,
    HEAPSIM_ACCEPTED, HEAPSIM_REPEATED, HEAPSIM_SPLIT, HEAPSIM_DROPPED,
    HEAPSIM_REFUSED_EVENTS};

static void
set_count(json_t *object, const char *name, uint64_t n)
{
	json_object_set_new(object, name, json_integer((json_int_t)n));
}

/* Keys and names may hold anything, also U+0000; "?" if not sayable. */
static void
set_under(json_t *object, const void *record, json_t *value)
{
	size_t len;
	const char *key = sim_record_key(record, &len);
	json_t *sayable = json_stringn(key, len);

	if (sayable == NULL || strlen(key) != len)
		key = "?";
	json_decref(sayable);
	json_object_set_new(object, key, value);
}

/* The user with the fullest window is named: that is what one looks for. */
static json_t *
app_report(const struct heapsim_app *app)
{
	json_t *object = json_object();
	json_t *user = NULL;
	const char *name;
	size_t len;
	size_t i;

	for (i = 0; i < sizeof(app_counts) / sizeof(app_counts[0]); i++)
		set_count(object, count_names[app_counts[i]],
		    app->counts[app_counts[i]]);
	set_count(object, "keys", sim_table_count(app->keys));
	set_count(object, "users", sim_table_count(app->users));
	set_count(object, "max_window", app->window.max);
	set_count(object, "max_user_window", app->user_max);
	if (app->user_max_of != NULL) {
		name = sim_record_key(app->user_max_of, &len);
		user = json_stringn(name, len);
	}
	json_object_set_new(
	    object, "max_user", user != NULL ? user : json_null());
	return object;
}

static json_t *
statuses_report(const struct heapsim_books *books)
{
	json_t *object = json_object();
	char name[8];
	unsigned i;

	for (i = 0; i < HEAPSIM_STATUSES; i++) {
		if (books->by_status[i] == 0)
			continue;
		snprintf(name, sizeof(name), "%u", i);
		set_count(object, name, books->by_status[i]);
	}
	return object;
}

static json_t *
names_report(const struct heapsim_books *books)
{
	json_t *object = json_object();
	const struct heapsim_name *name;

	for (name = sim_table_first(books->names); name != NULL;
	     name = sim_record_next(name))
		set_under(object, name, json_integer((json_int_t)name->events));
	return object;
}

void
heapsim_books_write(const struct heapsim_books *books, struct sim_text *out)
{
	json_t *object = json_object();
	json_t *apps = json_object();
	json_t *refusal;
	const struct heapsim_app *app;
	uint64_t max_window = 0;
	uint64_t user_max = 0;
	uint64_t keys = 0;
	char *text;
	size_t i;

	for (i = 0; i < HEAPSIM_COUNTS; i++)
		set_count(object, count_names[i], books->counts[i]);
	for (app = sim_table_first(books->apps); app != NULL;
	     app = sim_record_next(app)) {
		set_under(apps, app, app_report(app));
		keys += sim_table_count(app->keys);
		if (app->window.max > max_window)
			max_window = app->window.max;
		if (app->user_max > user_max)
			user_max = app->user_max;
	}
	set_count(object, "keys", keys);
	set_count(object, "max_window", max_window);
	set_count(object, "max_user_window", user_max);
	json_object_set_new(object, "by_status", statuses_report(books));
	json_object_set_new(object, "apps", apps);
	json_object_set_new(object, "by_event", names_report(books));
	refusal = json_string(books->last_refusal);
	/* A reason that was cut within a character is not sayable. */
	json_object_set_new(object, "last_refusal",
	    refusal != NULL ? refusal : json_string("?"));
	text = json_dumps(object, JSON_COMPACT);
	if (text == NULL)
		sim_die("cannot write the books");
	sim_text_print(out, "%s\n", text);
	free(text);
	json_decref(object);
}

/* Lines and columns must stay apart whatever a key holds. */
static void
add_escaped(struct sim_text *out, const char *text, size_t len)
{
	static const char plain[] = "\\\t\n\r";
	static const char letters[] = "\\tnr";
	const char *found;
	size_t i;

	for (i = 0; i < len; i++) {
		found = text[i] == '\0' ? NULL : strchr(plain, text[i]);
		if (found == NULL) {
			sim_text_add(out, &text[i], 1);
			continue;
		}
		sim_text_add(out, "\\", 1);
		sim_text_add(out, &letters[found - plain], 1);
	}
}

static void
add_record_key(struct sim_text *out, const void *record)
{
	size_t len;
	const char *key = sim_record_key(record, &len);

	add_escaped(out, key, len);
}

void
heapsim_keys_write(const struct heapsim_books *books, struct sim_text *out)
{
	const struct heapsim_stored *stored;
	const struct heapsim_stored *each;
	const struct heapsim_app *app;

	for (app = sim_table_first(books->apps); app != NULL;
	     app = sim_record_next(app))
		for (stored = sim_table_first(app->keys); stored != NULL;
		     stored = sim_record_next(stored))
			for (each = stored; each != NULL; each = each->other) {
				add_record_key(out, stored);
				sim_text_add(out, "\t", 1);
				add_record_key(out, each->user);
				sim_text_print(out, "\t%llu\t",
				    (unsigned long long)each->times);
				add_record_key(out, each->name);
				sim_text_add(out, "\n", 1);
			}
}

/* The first app that knows the key, and the first user under it. */
unsigned
heapsim_event_write(
    const struct heapsim_books *books, const char *key, struct sim_text *out)
{
	const struct heapsim_stored *stored;
	const struct heapsim_app *app;

	for (app = sim_table_first(books->apps); app != NULL;
	     app = sim_record_next(app)) {
		stored = sim_table_find(app->keys, key, strlen(key));
		if (stored == NULL)
			continue;
		if (stored->json == NULL)
			return 410;
		sim_text_print(out, "%s", stored->json);
		return 200;
	}
	return 404;
}

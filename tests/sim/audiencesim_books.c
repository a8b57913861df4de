/*
 * People hold their values in an array by the group's index: many groups have
 * many people in common, and a record for each pair would be ten times as
 * large.
 */

#include "tests/sim/audiencesim_books.h"
#include "tests/sim/sim_table.h"
#include "tests/sim/sim_window.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	STATUSES = 600,
	RATES = 3,
};

/* How fast requests came: the fullest windows. */
static const struct {
	const char *name;
	uint32_t length_ms;
} rates[RATES] = {
    {"3s", 3000},
    {"minute", 60000},
    {"hour", 3600000},
};

struct audiencesim_value {
	uint32_t writes;
	uint32_t last_ms; /* since the start */
	uint32_t order; /* of an element: the larger is the later; or a date */
	uint8_t kind;	/* enum audiencesim_kind */
	bool in;
};

struct interface {
	uint64_t requests;
	uint64_t most_items;
	struct sim_window rates[RATES];
	struct sim_window limit; /* those that were not over it */
	int64_t hour;		 /* of the limit by the clock */
	int64_t in_hour;
};

struct audiencesim_books {
	struct sim_table *groups;
	struct sim_table *people;
	struct sim_table *cohorts;
	struct sim_table *violations; /* uint64_t */
	struct audiencesim_group **by_index;
	struct interface interfaces[AUDIENCESIM_APIS];
	uint64_t counts[AUDIENCESIM_COUNTS];
	uint64_t by_status[STATUSES];
	int64_t rewritten_ms; /* the least between two values; -1: none */
	uint32_t order;
	int64_t start_ms;
};

struct audiencesim_books *
audiencesim_books_new(void)
{
	struct audiencesim_books *books = sim_alloc(sizeof(*books));

	books->groups = sim_table_new(sizeof(struct audiencesim_group));
	books->people = sim_table_new(sizeof(struct audiencesim_person));
	books->cohorts = sim_table_new(sizeof(struct audiencesim_cohort));
	books->violations = sim_table_new(sizeof(uint64_t));
	books->rewritten_ms = -1;
	books->start_ms = sim_now_ms();
	return books;
}

void
audiencesim_books_free(struct audiencesim_books *books)
{
	struct audiencesim_person *person;
	struct audiencesim_cohort *cohort;
	size_t i, j;

	for (person = sim_table_first(books->people); person != NULL;
	     person = sim_record_next(person))
		free(person->values);
	for (cohort = sim_table_first(books->cohorts); cohort != NULL;
	     cohort = sim_record_next(cohort))
		free(cohort->name);
	for (i = 0; i < AUDIENCESIM_APIS; i++) {
		for (j = 0; j < RATES; j++)
			sim_window_fini(&books->interfaces[i].rates[j]);
		sim_window_fini(&books->interfaces[i].limit);
	}
	sim_table_free(books->groups);
	sim_table_free(books->people);
	sim_table_free(books->cohorts);
	sim_table_free(books->violations);
	free(books->by_index);
	free(books);
}

static uint32_t
since_start_ms(const struct audiencesim_books *books)
{
	return (uint32_t)(sim_now_ms() - books->start_ms);
}

void
audiencesim_books_count(
    struct audiencesim_books *books, enum audiencesim_count what, uint64_t n)
{
	books->counts[what] += n;
}

void
audiencesim_books_answered(struct audiencesim_books *books, unsigned status)
{
	if (status < STATUSES)
		books->by_status[status]++;
}

void
audiencesim_books_violated(struct audiencesim_books *books, const char *rule)
{
	uint64_t *n = sim_table_put(books->violations, rule, strlen(rule));

	++*n;
}

/* Windows by the clock begin at multiples of their length. */
static int64_t
hour_used(struct interface *interface, int64_t length_ms)
{
	struct timespec now;
	int64_t hour;

	clock_gettime(CLOCK_REALTIME, &now);
	hour = ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000) / length_ms;
	if (hour != interface->hour) {
		interface->hour = hour;
		interface->in_hour = 0;
	}
	return interface->in_hour;
}

bool
audiencesim_books_arrive(struct audiencesim_books *books,
    const struct audiencesim_settings *settings, enum audiencesim_api api,
    uint64_t items, uint64_t *ret_left)
{
	struct interface *interface = &books->interfaces[api];
	uint32_t now_ms = since_start_ms(books);
	int64_t limit, used;
	int i;

	interface->requests++;
	if (items > interface->most_items)
		interface->most_items = items;
	for (i = 0; i < RATES; i++) {
		sim_window_slide(
		    &interface->rates[i], now_ms, rates[i].length_ms);
		sim_window_add(&interface->rates[i], now_ms, 1);
	}
	if (api == AUDIENCESIM_COHORTS) {
		limit = settings->cohorts_limit;
		used = hour_used(interface, settings->cohorts_window_ms);
	} else {
		limit = api == AUDIENCESIM_TRACK ? settings->track_limit
						 : settings->export_limit;
		used = (int64_t)sim_window_slide(&interface->limit, now_ms,
		    (uint32_t)(api == AUDIENCESIM_TRACK
				   ? settings->track_window_ms
				   : settings->export_window_ms));
	}
	*ret_left = 0;
	if (used >= limit)
		return false;
	*ret_left = (uint64_t)(limit - used - 1);
	if (api == AUDIENCESIM_COHORTS)
		interface->in_hour++;
	else
		sim_window_add(&interface->limit, now_ms, 1);
	return true;
}

/* The name of an element is that of its array, "/", and its own. */
struct audiencesim_group *
audiencesim_group_get(struct audiencesim_books *books, const char *name,
    const struct audiencesim_group *array)
{
	struct audiencesim_group *group;
	size_t n = sim_table_count(books->groups);
	struct sim_text key = {0};
	size_t len;

	if (array != NULL)
		sim_text_print(&key, "%s/", sim_record_key(array, &len));
	sim_text_print(&key, "%s", name);
	group = sim_table_put(books->groups, key.at, key.len);
	if (sim_table_count(books->groups) > n) {
		group->index = (uint32_t)n;
		group->array = array;
		books->by_index = sim_grow(
		    books->by_index, n + 1, sizeof(struct audiencesim_group *));
		books->by_index[n] = group;
	}
	sim_text_fini(&key);
	return group;
}

struct audiencesim_person *
audiencesim_person_get(
    struct audiencesim_books *books, const char *kind, const char *id)
{
	struct audiencesim_person *person;
	struct sim_text key = {0};
	size_t len;

	sim_text_print(&key, "%s:%s", kind, id);
	person = sim_table_put(books->people, key.at, key.len);
	person->id = sim_record_key(person, &len) + strlen(kind) + 1;
	sim_text_fini(&key);
	return person;
}

struct audiencesim_cohort *
audiencesim_cohort_get(struct audiencesim_books *books, const char *id)
{
	struct audiencesim_cohort *cohort =
	    sim_table_put(books->cohorts, id, strlen(id));

	if (cohort->group == NULL)
		cohort->group = audiencesim_group_get(books, id, NULL);
	return cohort;
}

void
audiencesim_cohort_free(
    struct audiencesim_books *books, const struct sim_call *call)
{
	struct audiencesim_cohort *cohort;

	for (cohort = sim_table_first(books->cohorts); cohort != NULL;
	     cohort = sim_record_next(cohort))
		if (cohort->busy == call)
			cohort->busy = NULL;
}

enum audiencesim_kind
audiencesim_kind_of(const struct audiencesim_person *person,
    const struct audiencesim_group *group)
{
	if (group->index >= person->n)
		return AUDIENCESIM_NEVER;
	return (enum audiencesim_kind)person->values[group->index].kind;
}

bool
audiencesim_has_profile(const struct audiencesim_person *person,
    const struct audiencesim_settings *settings)
{
	return person->made || settings->unknown[0] == '\0' ||
	       strstr(person->id, settings->unknown) == NULL;
}

static struct audiencesim_value *
value_at(struct audiencesim_person *person, uint32_t index)
{
	uint32_t n = person->n;

	if (index >= n) {
		person->n = index + 1;
		person->values = sim_grow(
		    person->values, person->n, sizeof(*person->values));
		memset(&person->values[n], 0,
		    (person->n - n) * sizeof(*person->values));
	}
	return &person->values[index];
}

/* An array that is too long loses its oldest element, and says nothing. */
static void
array_shorten(struct audiencesim_books *books,
    const struct audiencesim_settings *settings,
    struct audiencesim_person *person, const struct audiencesim_group *array)
{
	struct audiencesim_value *oldest = NULL;
	int64_t elements = 0;
	uint32_t i;

	for (i = 0; i < person->n; i++) {
		if (books->by_index[i]->array != array || !person->values[i].in)
			continue;
		elements++;
		if (oldest == NULL || person->values[i].order < oldest->order)
			oldest = &person->values[i];
	}
	if (oldest == NULL || elements <= settings->most_elements)
		return;
	oldest->in = false;
	books->counts[AUDIENCESIM_FELL_OUT]++;
}

/* In quick succession the one may overtake the other. */
static bool
is_overtaken(struct audiencesim_books *books,
    const struct audiencesim_settings *settings, struct sim_random *random,
    const struct audiencesim_value *value, int64_t passed_ms)
{
	if (value->writes == 0)
		return false;
	if (books->rewritten_ms < 0 || passed_ms < books->rewritten_ms)
		books->rewritten_ms = passed_ms;
	return passed_ms < settings->settle_ms && sim_random_unit(random) < 0.5;
}

void
audiencesim_books_apply(struct audiencesim_books *books,
    const struct audiencesim_settings *settings, struct sim_random *random,
    const struct audiencesim_change *change)
{
	struct audiencesim_person *person = change->person;
	uint32_t now_ms = since_start_ms(books);
	struct audiencesim_value *value;
	bool same;

	if (!audiencesim_has_profile(person, settings)) {
		if (!change->make) {
			books->counts[AUDIENCESIM_PASSED_OVER]++;
			return;
		}
		person->made = true;
		books->counts[AUDIENCESIM_MADE]++;
	}
	value = value_at(person, change->group->index);
	same = value->writes > 0 && value->in == change->in &&
	       value->kind == change->kind;
	books->counts[AUDIENCESIM_WRITES]++;
	books->counts[AUDIENCESIM_SAME] += same;
	if (!same && change->kind != AUDIENCESIM_DATE &&
	    is_overtaken(
		books, settings, random, value, now_ms - value->last_ms)) {
		books->counts[AUDIENCESIM_OUT_OF_ORDER]++;
	} else {
		value->kind = (uint8_t)change->kind;
		value->in = change->in;
		value->order = change->kind == AUDIENCESIM_DATE
				   ? change->date
				   : ++books->order;
	}
	value->writes++;
	value->last_ms = now_ms;
	if (value->in && change->group->array != NULL)
		array_shorten(books, settings, person, change->group->array);
}

static void
set_count(json_t *object, const char *name, uint64_t n)
{
	json_object_set_new(object, name, json_integer((json_int_t)n));
}

/* An element goes behind the older ones of those that are there. */
static void
element_insert(const struct audiencesim_books *books,
    const struct audiencesim_person *person, uint32_t index, json_t *array)
{
	const struct audiencesim_group *group = books->by_index[index];
	size_t skip, len, i = 0;
	const char *name = sim_record_key(group, &len);
	uint32_t j;

	sim_record_key(group->array, &skip);
	for (j = 0; j < index; j++)
		if (books->by_index[j]->array == group->array &&
		    person->values[j].in &&
		    person->values[j].order < person->values[index].order)
			i++;
	json_array_insert_new(array, i, json_string(name + skip + 1));
}

static void
value_show(const struct audiencesim_books *books,
    const struct audiencesim_person *person, uint32_t index, json_t *object)
{
	const struct audiencesim_value *value = &person->values[index];
	const struct audiencesim_group *group = books->by_index[index];
	time_t date = (time_t)value->order;
	struct tm parts;
	char text[32];
	json_t *array;
	size_t len;
	const char *name =
	    sim_record_key(group->array != NULL ? group->array : group, &len);

	switch ((enum audiencesim_kind)value->kind) {
	case AUDIENCESIM_NEVER:
	case AUDIENCESIM_REMOVED:
		break;
	case AUDIENCESIM_BOOLEAN:
		json_object_set_new(object, name, json_boolean(value->in));
		break;
	case AUDIENCESIM_DATE:
		gmtime_r(&date, &parts);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.000Z", &parts);
		json_object_set_new(object, name, json_string(text));
		break;
	case AUDIENCESIM_MEMBER: /* a cohort is no attribute */
		if (group->array == NULL || !value->in)
			break;
		array = json_object_get(object, name);
		if (array == NULL) {
			array = json_array();
			json_object_set_new(object, name, array);
		}
		element_insert(books, person, index, array);
		break;
	}
}

json_t *
audiencesim_person_json(const struct audiencesim_books *books,
    const struct audiencesim_person *person)
{
	json_t *object = json_object();
	uint32_t i;

	for (i = 0; i < person->n; i++)
		value_show(books, person, i, object);
	return object;
}

static json_t *
interfaces_report(const struct audiencesim_books *books)
{
	static const char *const names[AUDIENCESIM_APIS] = {
	    [AUDIENCESIM_TRACK] = "track",
	    [AUDIENCESIM_COHORTS] = "cohorts",
	    [AUDIENCESIM_EXPORT] = "export",
	};
	json_t *all = json_object();
	int i, j;

	for (i = 0; i < AUDIENCESIM_APIS; i++) {
		const struct interface *interface = &books->interfaces[i];
		json_t *object = json_object();
		json_t *peak = json_object();

		for (j = 0; j < RATES; j++)
			set_count(peak, rates[j].name, interface->rates[j].max);
		set_count(object, "requests", interface->requests);
		set_count(object, "most_items", interface->most_items);
		json_object_set_new(object, "peak", peak);
		json_object_set_new(all, names[i], object);
	}
	return all;
}

static json_t *
statuses_report(const struct audiencesim_books *books)
{
	json_t *object = json_object();
	char name[8];
	unsigned i;

	for (i = 0; i < STATUSES; i++) {
		if (books->by_status[i] == 0)
			continue;
		snprintf(name, sizeof(name), "%u", i);
		set_count(object, name, books->by_status[i]);
	}
	return object;
}

static json_t *
violations_report(const struct audiencesim_books *books)
{
	json_t *object = json_object();
	const uint64_t *n;
	size_t len;

	for (n = sim_table_first(books->violations); n != NULL;
	     n = sim_record_next(n))
		set_count(object, sim_record_key(n, &len), *n);
	return object;
}

static json_t *
cohorts_report(const struct audiencesim_books *books)
{
	const struct audiencesim_cohort *cohort;
	json_t *all = json_object();
	json_t *object;
	size_t len;

	for (cohort = sim_table_first(books->cohorts); cohort != NULL;
	     cohort = sim_record_next(cohort)) {
		if (cohort->name == NULL)
			continue;
		object = json_object();
		json_object_set_new(object, "name", json_string(cohort->name));
		set_count(object, "made", cohort->made);
		set_count(object, "renamed", cohort->renamed);
		json_object_set_new(all, sim_record_key(cohort, &len), object);
	}
	return all;
}

static bool
is_membership(const struct audiencesim_value *value)
{
	return value->writes > 0 && value->kind != AUDIENCESIM_DATE;
}

static void
memberships_report(const struct audiencesim_books *books, json_t *report)
{
	const struct audiencesim_person *person;
	uint64_t n = 0;
	uint64_t in = 0;
	uint32_t i;

	for (person = sim_table_first(books->people); person != NULL;
	     person = sim_record_next(person))
		for (i = 0; i < person->n; i++) {
			n += is_membership(&person->values[i]);
			in += is_membership(&person->values[i]) &&
			      person->values[i].in;
		}
	set_count(report, "memberships", n);
	set_count(report, "in", in);
}

void
audiencesim_report_write(
    const struct audiencesim_books *books, struct sim_text *out)
{
	static const char *const names[AUDIENCESIM_COUNTS] = {
	    [AUDIENCESIM_REQUESTS] = "requests",
	    [AUDIENCESIM_OBJECTS] = "objects",
	    [AUDIENCESIM_IDS] = "ids",
	    [AUDIENCESIM_WRITES] = "writes",
	    [AUDIENCESIM_SAME] = "same",
	    [AUDIENCESIM_OUT_OF_ORDER] = "out_of_order",
	    [AUDIENCESIM_FELL_OUT] = "fell_out",
	    [AUDIENCESIM_PASSED_OVER] = "passed_over",
	    [AUDIENCESIM_MADE] = "profiles_made",
	    [AUDIENCESIM_REFUSED_OBJECTS] = "refused_objects",
	    [AUDIENCESIM_REFUSED] = "refused",
	    [AUDIENCESIM_LIMITED] = "limited",
	    [AUDIENCESIM_FAILED] = "failed",
	    [AUDIENCESIM_FAILED_AMID] = "failed_amid",
	    [AUDIENCESIM_FAILED_AFTER] = "failed_after",
	    [AUDIENCESIM_HUNG] = "hung",
	    [AUDIENCESIM_RESET] = "reset",
	    [AUDIENCESIM_CUT] = "cut",
	};
	json_t *report = json_object();
	char *text;
	int i;

	for (i = 0; i < AUDIENCESIM_COUNTS; i++)
		set_count(report, names[i], books->counts[i]);
	memberships_report(books, report);
	json_object_set_new(report, "rewritten_ms",
	    books->rewritten_ms < 0 ? json_null()
				    : json_integer(books->rewritten_ms));
	json_object_set_new(report, "violations", violations_report(books));
	json_object_set_new(report, "by_status", statuses_report(books));
	json_object_set_new(report, "interfaces", interfaces_report(books));
	json_object_set_new(report, "cohorts", cohorts_report(books));
	text = json_dumps(report, JSON_COMPACT);
	if (text == NULL)
		sim_die("cannot write the report");
	sim_text_print(out, "%s\n", text);
	free(text);
	json_decref(report);
}

/* Lines and columns must stay apart whatever a name holds. */
static void
add_escaped(struct sim_text *out, const char *text)
{
	static const char plain[] = "\\\t\n\r";
	static const char letters[] = "\\tnr";
	const char *found;

	for (; *text != '\0'; text++) {
		found = strchr(plain, *text);
		if (found == NULL) {
			sim_text_add(out, text, 1);
			continue;
		}
		sim_text_add(out, "\\", 1);
		sim_text_add(out, &letters[found - plain], 1);
	}
}

static int
compare_keys(const void *a, const void *b)
{
	size_t len;

	return strcmp(sim_record_key(*(void *const *)a, &len),
	    sim_record_key(*(void *const *)b, &len));
}

static void **
sorted(const struct sim_table *table)
{
	size_t n = sim_table_count(table);
	void **records = sim_alloc(n * sizeof(*records));
	void *record;
	size_t i = 0;

	for (record = sim_table_first(table); record != NULL;
	     record = sim_record_next(record))
		records[i++] = record;
	if (n > 0)
		qsort(records, n, sizeof(*records), compare_keys);
	return records;
}

static void
membership_write(struct sim_text *out, const struct audiencesim_group *group,
    const struct audiencesim_person *person)
{
	const struct audiencesim_value *value = &person->values[group->index];
	size_t len;

	add_escaped(out, sim_record_key(group, &len));
	sim_text_add(out, "\t", 1);
	add_escaped(out, sim_record_key(person, &len));
	sim_text_print(
	    out, "\t%s\t%u\n", value->in ? "in" : "out", value->writes);
}

void
audiencesim_memberships_write(
    const struct audiencesim_books *books, struct sim_text *out)
{
	struct audiencesim_group **groups =
	    (struct audiencesim_group **)sorted(books->groups);
	struct audiencesim_person **people =
	    (struct audiencesim_person **)sorted(books->people);
	size_t n_groups = sim_table_count(books->groups);
	size_t n_people = sim_table_count(books->people);
	size_t i, j;

	for (i = 0; i < n_groups; i++)
		for (j = 0; j < n_people; j++)
			if (groups[i]->index < people[j]->n &&
			    is_membership(&people[j]->values[groups[i]->index]))
				membership_write(out, groups[i], people[j]);
	free(groups);
	free(people);
}

/*
 * Lines in, events out. A line whose id cannot be found is sent as it is: an
 * input may be wrong on purpose.
 */

#include "tests/sim/brazesim_source.h"
#include "tests/sim/sim_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct line {
	char *text;
	size_t len;
	size_t id_at;  /* of the id's value, quotes included */
	size_t id_len; /* 0: none was found */
	size_t type;   /* index of types */
};

/* Events of one type that wait until they fill a request. */
struct type {
	char *name;
	uint32_t *events;
	size_t n;
};

struct brazesim_source {
	/* set before threads start */
	const struct brazesim_settings *settings;
	struct line *lines;
	size_t n_lines;
	uint32_t count;
	/* owned by who calls brazesim_source_next */
	struct type *types;
	size_t n_types;
	uint32_t next;
	size_t last_type; /* the first that may still hold a remainder */
};

/* There are about a hundred types: looking through them is fast enough. */
static size_t
type_put(struct brazesim_source *source, const char *name)
{
	struct type *type;
	size_t i;

	for (i = 0; i < source->n_types; i++)
		if (strcmp(source->types[i].name, name) == 0)
			return i;
	source->types =
	    sim_grow(source->types, source->n_types + 1, sizeof(*type));
	type = &source->types[source->n_types++];
	type->name = sim_copy(name, strlen(name));
	type->n = 0;
	type->events =
	    sim_alloc((size_t)source->settings->batch * sizeof(uint32_t));
	return i;
}

/* The last id wins if there are more, as it does for most readers. */
static void
line_read(struct brazesim_source *source, struct line *line)
{
	struct sim_text type = {0};
	struct sim_json_walk walk;
	struct sim_json event;
	struct sim_json name;
	struct sim_json value;
	size_t offset;

	sim_text_add(&type, "", 0);
	if (sim_json_read(line->text, line->len, &event, &offset) &&
	    event.type == SIM_JSON_OBJECT) {
		walk = sim_json_enter(&event);
		while (sim_json_member(&walk, &name, &value)) {
			if (value.type != SIM_JSON_STRING)
				continue;
			if (sim_json_is(&name, "id")) {
				line->id_at = (size_t)(value.at - line->text);
				line->id_len = value.len;
			} else if (sim_json_is(&name, "event_type")) {
				sim_text_clear(&type);
				sim_json_decode(&value, &type);
			}
		}
	}
	line->type = type_put(source, type.len > 0 ? type.at : "?");
	sim_text_fini(&type);
}

/* One event a line; empty lines and line ends of either kind are no events. */
static void
lines_read(struct brazesim_source *source, FILE *file)
{
	char *text = NULL;
	size_t size = 0;
	struct line *line;
	size_t room = 0;
	ssize_t len;

	while ((len = getline(&text, &size, file)) >= 0) {
		while (len > 0 && strchr("\r\n", text[len - 1]) != NULL)
			len--;
		if (len == 0)
			continue;
		if (source->n_lines == room) {
			room = 2 * room + 64;
			source->lines =
			    sim_grow(source->lines, room, sizeof(*line));
		}
		line = &source->lines[source->n_lines++];
		*line = (struct line){.len = (size_t)len};
		line->text = sim_copy(text, (size_t)len);
		line_read(source, line);
	}
	free(text);
	if (ferror(file))
		sim_die("cannot read the events: %s", strerror(errno));
}

/* A sample that failed half-way must not pass for a short one. */
static void
input_read(struct brazesim_source *source)
{
	const struct brazesim_settings *settings = source->settings;
	FILE *file = stdin;

	if (settings->sample[0] != '\0')
		/* The person's own command, for his own shell. */
		/* NOLINTNEXTLINE(cert-env33-c) */
		file = popen(settings->sample, "r");
	else if (strcmp(settings->input, "-") != 0)
		file = fopen(settings->input, "r");
	if (file == NULL)
		sim_usage_die("cannot read %s%s: %s", settings->input,
		    settings->sample, strerror(errno));
	lines_read(source, file);
	if (settings->sample[0] != '\0') {
		if (pclose(file) != 0)
			sim_die("failed: %s", settings->sample);
	} else if (file != stdin) {
		fclose(file);
	}
	if (source->n_lines == 0)
		sim_die("no events to send");
}

struct brazesim_source *
brazesim_source_new(const struct brazesim_settings *settings)
{
	struct brazesim_source *source = sim_alloc(sizeof(*source));

	source->settings = settings;
	input_read(source);
	source->count = settings->count > 0 ? (uint32_t)settings->count
					    : (uint32_t)source->n_lines;
	return source;
}

void
brazesim_source_free(struct brazesim_source *source)
{
	size_t i;

	for (i = 0; i < source->n_lines; i++)
		free(source->lines[i].text);
	for (i = 0; i < source->n_types; i++) {
		free(source->types[i].name);
		free(source->types[i].events);
	}
	free(source->lines);
	free(source->types);
	free(source);
}

uint32_t
brazesim_source_count(const struct brazesim_source *source)
{
	return source->count;
}

static size_t
type_empty(struct type *type, uint32_t *ret_events)
{
	size_t n = type->n;

	memcpy(ret_events, type->events, n * sizeof(*ret_events));
	type->n = 0;
	return n;
}

static const struct line *
line_of(const struct brazesim_source *source, uint32_t event)
{
	return &source->lines[event % source->n_lines];
}

/* Types fill up side by side in the order of the input; the first full one
 * goes. What is left at the end goes type by type. */
size_t
brazesim_source_next(struct brazesim_source *source, uint32_t *ret_events)
{
	size_t batch = (size_t)source->settings->batch;
	struct type *type;
	uint32_t event;

	while (source->next < source->count) {
		event = source->next++;
		type = &source->types[source->settings->mix == BRAZESIM_MIX_ANY
					  ? 0
					  : line_of(source, event)->type];
		type->events[type->n++] = event;
		if (type->n == batch)
			return type_empty(type, ret_events);
	}
	for (; source->last_type < source->n_types; source->last_type++)
		if (source->types[source->last_type].n > 0)
			return type_empty(
			    &source->types[source->last_type], ret_events);
	return 0;
}

/* The id of an event that got a new one: a version 4 UUID, in quotes. */
static void
fresh_id_write(
    const struct brazesim_source *source, uint32_t event, struct sim_text *out)
{
	uint64_t seed = sim_mix((uint64_t)source->settings->seed);
	/* One-to-one in the event's number, so no two are the same. */
	uint64_t low = sim_mix(seed + event);
	uint64_t high = sim_mix(low ^ seed);

	sim_text_print(out, "\"%08x-%04x-4%03x-%04x-%012llx\"",
	    (unsigned)(low >> 32), (unsigned)(low >> 16) & 0xffff,
	    (unsigned)(low >> 4) & 0xfff, (unsigned)(0x8000 | (high & 0x3fff)),
	    (unsigned long long)(((high >> 20) << 4 | (low & 0xf)) &
				 0xffffffffffff));
}

/* Without --count an event keeps its own id: the input is then the truth. */
static bool
is_fresh(const struct brazesim_source *source, const struct line *line)
{
	return source->settings->count > 0 && line->id_len > 0;
}

/* Text around the id is copied byte for byte: numbers, escapes and spaces
 * must arrive as the input has them. */
void
brazesim_event_write(
    const struct brazesim_source *source, uint32_t event, struct sim_text *out)
{
	const struct line *line = line_of(source, event);
	size_t behind = line->id_at + line->id_len;

	if (!is_fresh(source, line)) {
		sim_text_add(out, line->text, line->len);
		return;
	}
	sim_text_add(out, line->text, line->id_at);
	fresh_id_write(source, event, out);
	sim_text_add(out, line->text + behind, line->len - behind);
}

void
brazesim_event_name(
    const struct brazesim_source *source, uint32_t event, struct sim_text *out)
{
	const struct line *line = line_of(source, event);
	struct sim_text quoted = {0};
	struct sim_json id = {.type = SIM_JSON_STRING};

	sim_text_print(out, "%s:", source->types[line->type].name);
	if (line->id_len == 0) {
		sim_text_add(out, "?", 1);
		return;
	}
	if (is_fresh(source, line))
		fresh_id_write(source, event, &quoted);
	else
		sim_text_add(&quoted, line->text + line->id_at, line->id_len);
	id.at = quoted.at;
	id.len = quoted.len;
	sim_json_decode(&id, out);
	sim_text_fini(&quoted);
}

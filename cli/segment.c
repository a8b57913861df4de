#include "cli/segment.h"

#include "base/utf8.h"
#include "cli/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AMBIGUOUS_SHOWN = 5, TITLE_MOST = 100 };

bool
segment_selected(const struct options *options, const struct segment *segment)
{
	const char *source = options_value(options, "--source");
	const char *destination = options_value(options, "--destination");

	return (source == NULL || strcmp(source, segment->of.source) == 0) &&
	       (destination == NULL ||
		   strcmp(destination, segment->of.destination) == 0);
}

/* ---- one of them ---- */

struct segment_search {
	const struct options *options;
	const char *word;
	bool by_name;
	size_t count;
	const struct segment *found[AMBIGUOUS_SHOWN];
};

static void
search_run(struct segment_search *search, const struct segments *segments)
{
	for (size_t i = 0; i < segments->count; i++) {
		const struct segment *segment = &segments->list[i];

		if (strcmp(search->word,
			search->by_name ? segment->of.name : segment->of.id) !=
			0 ||
		    !segment_selected(search->options, segment))
			continue;
		if (search->count < AMBIGUOUS_SHOWN)
			search->found[search->count] = segment;
		search->count++;
	}
}

static bool
search_ambiguous(const struct segment_search *search, struct err *reterr)
{
	char text[400] = "";
	size_t len = 0;

	for (size_t i = 0;
	     i < search->count && i < AMBIGUOUS_SHOWN && len < sizeof(text);
	     i++) {
		const struct stats_group *group = &search->found[i]->of;

		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "%s%.40s (source %.40s, destination %.40s)",
		    i > 0 ? ", " : "", group->id, group->source,
		    group->destination);
	}
	return err_set(reterr, ERR_CONFLICT,
	    "%zu segments are called %.40s: give the id, or --source or "
	    "--destination: %s%s",
	    search->count, search->word, text,
	    search->count > AMBIGUOUS_SHOWN ? ", ..." : "");
}

bool
segment_find(const struct command_context *context,
    struct segments *ret_segments, const struct segment **ret_segment,
    struct err *reterr)
{
	const struct options *options = context->options;
	struct segment_search search = {.options = options};
	struct segments segments;

	if (options->word_count != 1)
		return err_set(reterr, ERR_INPUT,
		    "give one segment, by its id or its name; `currentsd "
		    "segments` lists them");
	search.word = options->words[0];
	if (!segments_read(context->daemon, context->now_ms, &segments, reterr))
		return false;
	search_run(&search, &segments);
	search.by_name = search.count == 0;
	if (search.by_name)
		search_run(&search, &segments);
	if (search.count == 1) {
		*ret_segments = segments;
		*ret_segment = search.found[0];
		return true;
	}
	if (search.count > 1)
		(void)search_ambiguous(&search, reterr);
	else
		(void)err_set(reterr, ERR_NOT_FOUND,
		    "there is no segment %.100s; `currentsd segments` lists "
		    "them",
		    search.word);
	segments_fini(&segments);
	return false;
}

/* ---- names ---- */

static int
segment_compare(const void *left, const void *right)
{
	const struct segment *const *a = left, *const *b = right;

	return strcmp((*a)->of.id, (*b)->of.id);
}

static int
segment_compare_id(const void *id, const void *right)
{
	const struct segment *const *segment = right;

	return strcmp(id, (*segment)->of.id);
}

void
segment_names_read(
    const struct command_context *context, struct segment_names *ret_names)
{
	struct segment_names names = {.sorted = NULL};

	if (segments_read(
		context->daemon, context->now_ms, &names.segments, NULL))
		names.sorted =
		    calloc(names.segments.count + 1, sizeof(*names.sorted));
	for (size_t i = 0; names.sorted != NULL && i < names.segments.count;
	     i++)
		names.sorted[i] = &names.segments.list[i];
	if (names.sorted != NULL)
		qsort(names.sorted, names.segments.count, sizeof(*names.sorted),
		    segment_compare);
	*ret_names = names;
}

void
segment_names_fini(struct segment_names *names)
{
	free(names->sorted);
	names->sorted = NULL;
	segments_fini(&names->segments);
}

const char *
segment_names_find(const struct segment_names *names, const char *type)
{
	const struct segment *const *found = NULL;

	if (names->sorted != NULL)
		found = bsearch(type, names->sorted, names->segments.count,
		    sizeof(*names->sorted), segment_compare_id);
	return found == NULL || *(*found)->of.name == '\0' ? NULL
							   : (*found)->of.name;
}

/* ---- how they are printed ---- */

void
segment_title_write(const struct segment *segment, struct buf *out)
{
	const struct stats_group *group = &segment->of;

	show_foreign(out, segment_called(segment),
	    strlen(segment_called(segment)), TITLE_MOST);
	if (*group->name != '\0') {
		(void)buf_text(out, " (");
		show_foreign(out, group->id, strlen(group->id), TITLE_MOST);
		(void)buf_char(out, ')');
	}
}

size_t
segments_trouble_show(const struct segments *segments,
    const struct options *options, int64_t now_ms, size_t most,
    const char *indent, struct buf *out)
{
	size_t count = 0;

	for (size_t i = 0; i < segments->count; i++) {
		const struct segment *segment = &segments->list[i];

		if (!segment_needs_attention(segment) ||
		    !segment_selected(options, segment) || count++ >= most)
			continue;
		(void)buf_text(out, indent);
		segment_title_write(segment, out);
		(void)buf_printf(
		    out, " is %s: ", segment_state_name(segment->state));
		segment_trouble_write(segment, now_ms, out);
		(void)buf_char(out, '\n');
	}
	return count;
}

void
segment_cell_write(struct buf *out, const char *text, size_t len, size_t width)
{
	size_t at = 0, count = 0, step;
	size_t cut = 0; /* where room is left for two dots */

	while (at < len && count < width) {
		step = utf8_length(text + at, len - at);
		at += step > 0 ? step : 1;
		if (++count + 2 <= width)
			cut = at;
	}
	if (at < len)
		count = width;
	for (size_t i = 0; i < (at < len ? cut : at); i++)
		(void)buf_char(
		    out, (unsigned char)text[i] < ' ' ? ' ' : text[i]);
	if (at < len)
		(void)buf_text(out, "..");
	for (; count < width; count++)
		(void)buf_char(out, ' ');
}

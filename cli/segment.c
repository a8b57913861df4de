#include "cli/segment.h"

#include "cli/show.h"
#include "cli/value.h"

#include <stdlib.h>
#include <string.h>

enum { TITLE_MOST = 100, TROUBLE_MOST = 2000, TROUBLE_INDENT = 2 };

bool
segment_ask(const struct options *options, const char *method, const char *path,
    struct ask *ret_ask, struct err *reterr)
{
	if (options->word_count != 1 || *options->words[0] == '\0')
		return err_set(reterr, ERR_INPUT,
		    "give one segment, by its id or its name; `currentsd "
		    "segments` lists them");
	ask_init(ret_ask, method, path);
	ret_ask->name = str_text(options->words[0]);
	ask_param(ret_ask, "source", options_value(options, "--source"));
	ask_param(
	    ret_ask, "destination", options_value(options, "--destination"));
	return true;
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
segment_title_show(struct buf *out, const char *name, const char *id)
{
	bool named = *name != '\0';

	show_foreign(
	    out, named ? name : id, strlen(named ? name : id), TITLE_MOST);
	if (!named)
		return;
	(void)buf_text(out, " (");
	show_foreign(out, id, strlen(id), TITLE_MOST);
	(void)buf_char(out, ')');
}

void
segment_trouble_show(
    const json_t *segment, const struct screen *screen, struct buf *out)
{
	const char *trouble = value_text(segment, "trouble");
	const char *tone = screen_tone(screen, TONE_WRONG);
	struct buf text;
	size_t mark;

	if (*trouble == '\0')
		return;
	buf_init(&text, TROUBLE_MOST);
	segment_title_show(
	    &text, value_text(segment, "name"), value_text(segment, "id"));
	(void)buf_printf(&text, " is %s: ", value_text(segment, "state"));
	show_foreign(&text, trouble, strlen(trouble), TROUBLE_MOST / 2);
	(void)buf_char(&text, '\0');
	(void)buf_text(out, tone);
	mark = out->len;
	if (!text.failed)
		buf_wrap(out, text.data, TROUBLE_INDENT,
		    screen->columns > 0 ? screen->columns : SIZE_MAX);
	if (out->len > mark)
		out->data[mark] = '!';
	(void)buf_text(out, *tone != '\0' ? SCREEN_PLAIN : "");
	buf_fini(&text);
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
		    !segment_selected(segment,
			options_value(options, "--source"),
			options_value(options, "--destination")) ||
		    count++ >= most)
			continue;
		(void)buf_text(out, indent);
		segment_title_show(out, segment->of.name, segment->of.id);
		(void)buf_printf(
		    out, " is %s: ", segment_state_name(segment->state));
		segment_trouble_write(segment, now_ms, out);
		(void)buf_char(out, '\n');
	}
	return count;
}

#include "cli/segment.h"

#include "cli/show.h"
#include "cli/value.h"

#include <string.h>

enum { TITLE_MOST = 100, TROUBLE_MOST = 2000, TROUBLE_INDENT = 2 };

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

#include "cli/value.h"

#include "base/utf8.h"
#include "cli/show.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATH_MOST = 64 }; /* of a member in a text */

const json_t *
value_at(const json_t *json, const char *path)
{
	while (json != NULL) {
		size_t len = strcspn(path, ".");

		json = json_object_getn(json, path, len);
		if (path[len] == '\0')
			return json;
		path += len + 1;
	}
	return NULL;
}

const char *
value_text(const json_t *json, const char *path)
{
	const char *text = json_string_value(value_at(json, path));

	return text != NULL ? text : "";
}

void
value_show(const json_t *json, const char *path, struct buf *out)
{
	const char *text = value_text(json, path);

	show_foreign(out, text, strlen(text), VALUE_SHOWN);
}

int64_t
value_int(const json_t *json, const char *path)
{
	return json_integer_value(value_at(json, path));
}

double
value_real(const json_t *json, const char *path)
{
	return json_number_value(value_at(json, path));
}

bool
value_bool(const json_t *json, const char *path)
{
	return json_is_true(value_at(json, path));
}

/* ---- times ---- */

/* `count` digits; -1 if there are others. */
static int
digits_read(const char *text, size_t count)
{
	int number = 0;

	for (size_t i = 0; i < count; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		number = number * 10 + (text[i] - '0');
	}
	return number;
}

/* "Z", "+01:00", "-05:30" as seconds. */
static bool
offset_read(const char *text, int64_t *ret_s)
{
	int hours, minutes;

	*ret_s = 0;
	if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
		return true;
	if ((*text != '+' && *text != '-') || strlen(text) != 6 ||
	    text[3] != ':')
		return false;
	hours = digits_read(text + 1, 2);
	minutes = digits_read(text + 4, 2);
	if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
		return false;
	*ret_s = (*text == '-' ? -60 : 60) * (hours * 60 + minutes);
	return true;
}

bool
value_time_read(const char *text, int64_t *ret_ms)
{
	static const char shape[] = "0000-00-00T00:00:00";
	static const int parts[][3] = {/* at, from, to */
	    {0, 1970, 9999}, {5, 1, 12}, {8, 1, 31}, {11, 0, 23}, {14, 0, 59},
	    {17, 0, 60}};
	int values[6], ms = 0;
	int64_t offset_s;
	struct tm tm;

	for (size_t i = 0; i < sizeof(shape) - 1; i++) {
		if (shape[i] == '0' ? text[i] < '0' || text[i] > '9'
				    : text[i] != shape[i])
			return false;
	}
	for (size_t i = 0; i < 6; i++) {
		values[i] = digits_read(text + parts[i][0], i == 0 ? 4 : 2);
		if (values[i] < parts[i][1] || values[i] > parts[i][2])
			return false;
	}
	text += sizeof(shape) - 1;
	if (*text == '.') {
		text++;
		for (int unit = 100; *text >= '0' && *text <= '9'; unit /= 10)
			ms += unit * (*text++ - '0');
	}
	if (!offset_read(text, &offset_s))
		return false;
	tm = (struct tm){.tm_year = values[0] - 1900,
	    .tm_mon = values[1] - 1,
	    .tm_mday = values[2],
	    .tm_hour = values[3],
	    .tm_min = values[4],
	    .tm_sec = values[5]};
	*ret_ms = ((int64_t)timegm(&tm) - offset_s) * 1000 + ms;
	return true;
}

int64_t
value_time_ms(const json_t *json, const char *path)
{
	int64_t ms;

	return value_time_read(value_text(json, path), &ms) ? ms : 0;
}

/* ---- texts ---- */

static void
member_say(const json_t *json, const char *path, char form,
    const struct screen *screen, int64_t now_ms, struct buf *out)
{
	int64_t number = value_int(json, path);
	char shown[SHOW_TEXT] = "";

	switch (form) {
	case '#':
		show_number(number, shown, sizeof(shown));
		break;
	case '%':
		(void)snprintf(shown, sizeof(shown), "%" PRId64, number);
		break;
	case '@':
		show_timestamp(now_ms, value_time_ms(json, path), screen->utc,
		    shown, sizeof(shown));
		break;
	case '~':
		show_bytes(number, shown, sizeof(shown));
		break;
	case '+':
		(void)buf_text(out, number == 1 ? "" : "s");
		break;
	default:
		value_show(json, path, out);
	}
	(void)buf_text(out, shown);
}

void
value_say(const json_t *json, const struct screen *screen, int64_t now_ms,
    const char *text, struct buf *out)
{
	char path[PATH_MOST];
	size_t len;

	for (;; text++) {
		len = strcspn(text, "{");
		(void)buf_append(out, text, len);
		text += len;
		if (*text == '\0')
			return;
		len = strcspn(++text, "#%@~+}");
		CHECK(len < sizeof(path));
		memcpy(path, text, len);
		path[len] = '\0';
		text += len;
		member_say(json, path, *text, screen, now_ms, out);
		text += *text != '}';
	}
}

/* ---- printing ---- */

struct printer {
	const struct screen *screen;
	struct buf *out;
};

static void
value_print(const struct printer *printer, json_t *json, size_t depth);

static void
line_print(const struct printer *printer, size_t depth)
{
	if (!printer->screen->terminal)
		return;
	(void)buf_printf(printer->out, "\n%*s", (int)(2 * depth), "");
}

/* What a terminal must not get is escaped, so that it is still JSON. */
static void
escaped_print(const struct printer *printer, const char *text)
{
	char shown[UTF8_VISIBLE];
	size_t len = strlen(text), step;

	for (size_t at = 0; at < len; at += step) {
		size_t put = utf8_visible(shown, text + at, len - at, &step);
		const unsigned char *bytes = (const unsigned char *)text + at;

		if (!printer->screen->terminal || put == step)
			(void)buf_append(printer->out, text + at, step);
		else if (step == 1)
			(void)buf_printf(printer->out, "\\u%04X", bytes[0]);
		else if (step == 2)
			(void)buf_printf(printer->out, "\\u%04X",
			    (bytes[0] & 0x1fu) << 6 | (bytes[1] & 0x3fu));
		else
			(void)buf_printf(printer->out, "\\u%04X",
			    (bytes[0] & 0x0fu) << 12 | (bytes[1] & 0x3fu) << 6 |
				(bytes[2] & 0x3fu));
	}
}

/* Numbers with as many digits as it takes to read the same one back. */
static char *
scalar_text(const json_t *json)
{
	char *text =
	    json_dumps(json, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));

	if (text == NULL || !json_is_real(json) ||
	    strtod(text, NULL) == json_real_value(json))
		return text;
	free(text);
	return json_dumps(json, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
}

static void
scalar_print(const struct printer *printer, const json_t *json, enum tone tone)
{
	const char *begin = screen_tone(printer->screen, tone);
	char *text = scalar_text(json);

	if (text == NULL) {
		printer->out->failed = printer->out->starved = true;
		return;
	}
	(void)buf_text(printer->out, begin);
	escaped_print(printer, text);
	(void)buf_text(printer->out, *begin != '\0' ? SCREEN_PLAIN : "");
	free(text);
}

static void
object_print(const struct printer *printer, json_t *json, size_t depth)
{
	const char *key;
	json_t *value, *name;
	bool first = true;

	(void)buf_char(printer->out, '{');
	json_object_foreach(json, key, value)
	{
		(void)buf_text(printer->out, first ? "" : ",");
		first = false;
		line_print(printer, depth + 1);
		name = json_string(key);
		scalar_print(printer, name, TONE_STRONG);
		json_decref(name);
		(void)buf_text(
		    printer->out, printer->screen->terminal ? ": " : ":");
		value_print(printer, value, depth + 1);
	}
	if (!first)
		line_print(printer, depth);
	(void)buf_char(printer->out, '}');
}

static void
array_print(const struct printer *printer, json_t *json, size_t depth)
{
	size_t count = json_array_size(json);

	(void)buf_char(printer->out, '[');
	for (size_t i = 0; i < count; i++) {
		(void)buf_text(printer->out, i > 0 ? "," : "");
		line_print(printer, depth + 1);
		value_print(printer, json_array_get(json, i), depth + 1);
	}
	if (count > 0)
		line_print(printer, depth);
	(void)buf_char(printer->out, ']');
}

static void
value_print(const struct printer *printer, json_t *json, size_t depth)
{
	if (json_is_object(json))
		object_print(printer, json, depth);
	else if (json_is_array(json))
		array_print(printer, json, depth);
	else
		scalar_print(
		    printer, json, json_is_null(json) ? TONE_QUIET : TONE_NONE);
}

bool
value_write(json_t *json, const struct screen *screen, struct buf *out,
    struct err *reterr)
{
	struct printer printer = {screen, out};

	value_print(&printer, json, 0);
	(void)buf_char(out, '\n');
	return buf_ok(out, reterr);
}

#include "cli/value.h"

#include "cli/show.h"

#include <inttypes.h>
#include <jansson.h>
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

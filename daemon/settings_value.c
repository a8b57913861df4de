/*
 * Reads one value, from the file or the environment, into the member that the
 * row names, and writes it in the same syntax.
 */

#include "daemon/settings_table.h"
#include "schema/json/text.h"
#include "server/socket.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers ---- */

struct unit {
	const char *name;
	int64_t factor;
};

/* The largest that divides comes first when a number is written. */
static const struct unit units_size[] = {
    {"G", (int64_t)1 << 30},
    {"M", (int64_t)1 << 20},
    {"k", (int64_t)1 << 10},
    {"", 1},
    {NULL, 0},
};
static const struct unit units_duration[] = {
    {"d", 86400000},
    {"h", 3600000},
    {"m", 60000},
    {"s", 1000},
    {"ms", 1},
    {NULL, 0},
};
static const struct unit units_none[] = {{"", 1}, {NULL, 0}};

static const struct unit *
units_of(enum setting_type type)
{
	if (type == SETTING_SIZE)
		return units_size;
	return type == SETTING_DURATION || type == SETTING_SECONDS
		   ? units_duration
		   : units_none;
}

enum { NUMBER_TEXT = 32 };

/* In its largest unit: "16M". */
static void
number_write(enum setting_type type, int64_t value, char ret[NUMBER_TEXT])
{
	const struct unit *unit = units_of(type);

	while (
	    unit[1].name != NULL && (value == 0 || value % unit->factor != 0))
		unit++;
	(void)snprintf(ret, NUMBER_TEXT, "%" PRId64 "%s", value / unit->factor,
	    value == 0 ? "" : unit->name);
}

static bool
number_read(enum setting_type type, const char *text, int64_t *ret_value)
{
	int64_t value = 0, digit;

	if (*text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++) {
		digit = *text - '0';
		if (value > (INT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	/* Zero needs no unit; of a duration, every other number does. */
	if (*text == '\0' && value == 0) {
		*ret_value = 0;
		return true;
	}
	for (const struct unit *u = units_of(type); u->name != NULL; u++) {
		if (strcmp(text, u->name) != 0)
			continue;
		if (value > INT64_MAX / u->factor)
			return false;
		*ret_value = value * u->factor;
		return true;
	}
	return false;
}

/* The members of the modules have the width that suits them. */
static int64_t
member_number(const struct setting *row, const void *member)
{
	if (row->size == sizeof(bool))
		return *(const bool *)member;
	return row->size == sizeof(int32_t) ? *(const int32_t *)member
					    : *(const int64_t *)member;
}

static void
member_set_number(const struct setting *row, void *member, int64_t value)
{
	if (row->size == sizeof(bool))
		*(bool *)member = value != 0;
	else if (row->size == sizeof(int32_t))
		*(int32_t *)member = (int32_t)value;
	else
		*(int64_t *)member = value;
}

/* ---- words and addresses ---- */

/* The position of a word in "a|b|c", or -1. */
static int
word_find(const char *words, const char *text)
{
	size_t len, want = strlen(text);

	for (int at = 0;; at++) {
		len = strcspn(words, "|");
		if (len == want && memcmp(words, text, len) == 0)
			return at;
		if (words[len] == '\0')
			return -1;
		words += len + 1;
	}
}

static void
word_write(const char *words, int64_t at, struct buf *out)
{
	for (; at > 0; at--)
		words += strcspn(words, "|") + 1;
	(void)buf_append(out, words, strcspn(words, "|"));
}

static bool
address_valid(const char *text)
{
	const char *colon = strrchr(text, ':');
	struct in6_addr address;
	char host[64];
	int64_t port;
	size_t len;

	if (colon == NULL || (size_t)(colon - text) >= sizeof(host) ||
	    !number_read(SETTING_INTEGER, colon + 1, &port) || port > 65535)
		return false;
	len = (size_t)(colon - text);
	memcpy(host, text, len);
	host[len] = '\0';
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		return inet_pton(AF_INET6, host + 1, &address) == 1;
	}
	return inet_pton(AF_INET, host, &address) == 1;
}

/* The path of a unix socket, within what the kernel takes. */
static bool
local_valid(const char *text)
{
	size_t len = strlen(SOCKET_UNIX);

	return strncmp(text, SOCKET_UNIX "/", len + 1) == 0 &&
	       strlen(text + len) < SOCKET_PATH;
}

/* ---- lists ---- */

bool
setting_is_list(const struct setting *row)
{
	switch (row->type) {
	case SETTING_LIST:
	case SETTING_LISTEN:
	case SETTING_NETWORKS:
	case SETTING_PAIRS:
	case SETTING_WORDS:
		return true;
	case SETTING_TEXT:
	case SETTING_PATH:
	case SETTING_ADDRESS:
	case SETTING_MODE:
	case SETTING_INTEGER:
	case SETTING_SIZE:
	case SETTING_DURATION:
	case SETTING_SECONDS:
	case SETTING_FLAG:
	case SETTING_WORD:
		break;
	}
	return false;
}

/* Different words in the order of preference. The first word of the row
 * ("skip") stands alone; it also fills the rest of the array. */
static bool
words_read(const struct setting *row, const char *const *items, size_t count,
    int *ret_values, struct err *reterr)
{
	size_t room = row->size / sizeof(*ret_values);
	unsigned seen = 0;
	bool ok = count > 0 && count <= room;

	memset(ret_values, 0, row->size);
	for (size_t i = 0; ok && i < count; i++) {
		int at = word_find(row->words, items[i]);

		ok =
		    at >= 0 && (at > 0 || count == 1) && (seen & 1U << at) == 0;
		if (!ok)
			break;
		seen |= 1U << at;
		ret_values[i] = at;
	}
	return ok || err_set(reterr, ERR_CONFIG,
			 "should be %.*s, or one or more of %s, each at most "
			 "once, in order of preference",
			 (int)strcspn(row->words, "|"), row->words,
			 strchr(row->words, '|') + 1);
}

/* "OLD=NEW"; Heap drops blank names. */
static bool
pairs_read(struct settings *settings, const char *const *items, size_t count,
    const struct track_rename **ret_pairs, struct err *reterr)
{
	struct track_rename *pairs =
	    settings_alloc(settings, (count + 1) * sizeof(*pairs));

	if (pairs == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < count; i++) {
		char *text = settings_copy(settings, items[i]), *equals;

		if (text == NULL)
			return err_set_nomem(reterr);
		equals = strchr(text, '=');
		if (equals == NULL || equals == text ||
		    text_blank(str_text(equals + 1)))
			return err_set(reterr, ERR_CONFIG,
			    "item %zu should be OLD=NEW", i + 1);
		*equals = '\0';
		pairs[i] = (struct track_rename){text, equals + 1};
	}
	*ret_pairs = pairs;
	return true;
}

static void
pairs_write(const struct track_rename *pairs, size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++)
		(void)buf_printf(out, "%s%s=%s", i > 0 ? "," : "",
		    pairs[i].from, pairs[i].to);
}

static bool
list_read(struct settings *settings, const char *const *items, size_t count,
    const char *const **ret_list, struct err *reterr)
{
	const char **list =
	    settings_alloc(settings, (count + 1) * sizeof(*list));

	if (list == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < count; i++) {
		list[i] = settings_copy(settings, items[i]);
		if (list[i] == NULL)
			return err_set_nomem(reterr);
	}
	list[count] = NULL;
	*ret_list = list;
	return true;
}

/* What an item should be instead; NULL: it is fine. */
static const char *
item_should(const struct setting *row, const char *item)
{
	if (row->type == SETTING_NETWORKS && !server_network_valid(item))
		return "an IP address, a network such as 10.0.0.0/8, or unix";
	if (row->type == SETTING_LISTEN && !address_valid(item) &&
	    !local_valid(item))
		return "an IP address and a port, such as 127.0.0.1:8080 or "
		       "[::1]:8080, or unix: and a path of at most 107 bytes";
	return NULL;
}

bool
setting_read_items(const struct setting *row, struct settings *settings,
    const char *const *items, size_t count, void *base, struct err *reterr)
{
	void *member = (char *)base + row->at;
	bool ok;

	for (size_t i = 0; i < count; i++) {
		if (*items[i] == '\0')
			return err_set(reterr, ERR_CONFIG,
			    "item %zu is empty: give it a value or remove it "
			    "(an unset ${NAME} is empty)",
			    i + 1);
	}
	for (size_t i = 0; i < count; i++) {
		const char *should = item_should(row, items[i]);

		if (should != NULL && count == 1)
			return err_set(
			    reterr, ERR_CONFIG, "should be %s", should);
		if (should != NULL)
			return err_set(reterr, ERR_CONFIG,
			    "item %zu should be %s", i + 1, should);
	}
	if (row->type == SETTING_WORDS)
		return words_read(row, items, count, member, reterr);
	ok = row->type == SETTING_PAIRS
		 ? pairs_read(settings, items, count, member, reterr)
		 : list_read(settings, items, count, member, reterr);
	if (ok && row->count_at != 0)
		*(size_t *)(void *)((char *)base + row->count_at) = count;
	return ok;
}

/* "a, b": blanks around a comma are not part of an item, and a comma too
 * many does no harm. */
static bool
list_split(const struct setting *row, struct settings *settings,
    const char *text, void *base, struct err *reterr)
{
	char *copy = strdup(text), *rest = copy, *item, *end;
	const char **items = calloc(strlen(text) + 1, sizeof(*items));
	size_t count = 0;
	bool ok = false;

	if (copy == NULL || items == NULL) {
		(void)err_set_nomem(reterr);
		goto out;
	}
	while ((item = strsep(&rest, ",")) != NULL) {
		item += strspn(item, " \t");
		end = item + strlen(item);
		while (end > item && (end[-1] == ' ' || end[-1] == '\t'))
			*--end = '\0';
		if (*item != '\0')
			items[count++] = item;
	}
	if (count == 0)
		(void)err_set(reterr, ERR_CONFIG,
		    "has no items: write a,b or remove the setting");
	else
		ok = setting_read_items(
		    row, settings, items, count, base, reterr);
out:
	free(items);
	free(copy);
	return ok;
}

/* ---- any value ---- */

static bool
number_set(const struct setting *row, const char *text, const char *form,
    void *member, struct err *reterr)
{
	char least[NUMBER_TEXT], most[NUMBER_TEXT];
	int64_t value;

	if (!number_read(row->type, text, &value) || value < row->least ||
	    value > row->most) {
		number_write(row->type, row->least, least);
		number_write(row->type, row->most, most);
		return err_set(reterr, ERR_CONFIG,
		    "should be %s, from %s to %s", form, least, most);
	}
	if (row->type == SETTING_SECONDS)
		value = (value + 999) / 1000;
	member_set_number(row, member, value);
	return true;
}

static bool
text_set(struct settings *settings, const char *text, const char **member,
    struct err *reterr)
{
	char *copy = settings_copy(settings, text);

	if (copy == NULL)
		return err_set_nomem(reterr);
	*member = copy;
	return true;
}

bool
setting_read(const struct setting *row, struct settings *settings,
    const char *text, void *base, struct err *reterr)
{
	void *member = (char *)base + row->at;
	int at;

	if (*text == '\0')
		return err_set(reterr, ERR_CONFIG,
		    "is empty: give it a value or remove it (an unset ${NAME} "
		    "is empty)");
	switch (row->type) {
	case SETTING_TEXT:
	case SETTING_PATH:
		return text_set(settings, text, member, reterr);
	case SETTING_ADDRESS:
		if (!address_valid(text))
			return err_set(reterr, ERR_CONFIG,
			    "should be an IP address and a port, such as "
			    "127.0.0.1:8080 or [::1]:8080");
		return text_set(settings, text, member, reterr);
	case SETTING_MODE:
		if (*text == '\0' || strlen(text) > 4 ||
		    strspn(text, "01234567") != strlen(text) ||
		    strtoul(text, NULL, 8) > 0777)
			return err_set(reterr, ERR_CONFIG,
			    "should be a mode such as 0660");
		*(unsigned *)member = (unsigned)strtoul(text, NULL, 8);
		return true;
	case SETTING_INTEGER:
		return number_set(row, text, "a whole number", member, reterr);
	case SETTING_SIZE:
		return number_set(
		    row, text, "a size such as 64k, 16M or 2G", member, reterr);
	case SETTING_DURATION:
	case SETTING_SECONDS:
		return number_set(row, text,
		    "a duration such as 500ms, 30s, 5m, 2h or 7d", member,
		    reterr);
	case SETTING_FLAG:
		at = word_find("no|yes|false|true|0|1|off|on", text);
		if (at < 0)
			return err_set(
			    reterr, ERR_CONFIG, "should be yes or no");
		*(bool *)member = at % 2 == 1;
		return true;
	case SETTING_WORD:
		at = word_find(row->words, text);
		if (at < 0)
			return err_set(reterr, ERR_CONFIG,
			    "should be one of %s", row->words);
		member_set_number(row, member, at);
		return true;
	case SETTING_WORDS:
	case SETTING_LIST:
	case SETTING_LISTEN:
	case SETTING_NETWORKS:
	case SETTING_PAIRS:
		return list_split(row, settings, text, base, reterr);
	}
	return false;
}

void
setting_write(const struct setting *row, const void *base, struct buf *out)
{
	const void *member = (const char *)base + row->at;
	char number[NUMBER_TEXT];
	const char *text;
	int64_t value;

	switch (row->type) {
	case SETTING_TEXT:
	case SETTING_PATH:
	case SETTING_ADDRESS:
		text = *(const char *const *)member;
		(void)buf_text(out, text != NULL ? text : "");
		break;
	case SETTING_MODE:
		(void)buf_printf(out, "%04o", *(const unsigned *)member);
		break;
	case SETTING_INTEGER:
	case SETTING_SIZE:
	case SETTING_DURATION:
	case SETTING_SECONDS:
		value = member_number(row, member);
		if (row->type == SETTING_SECONDS)
			value *= 1000;
		number_write(row->type, value, number);
		(void)buf_text(out, number);
		break;
	case SETTING_FLAG:
		(void)buf_text(out, *(const bool *)member ? "yes" : "no");
		break;
	case SETTING_WORD:
		value = member_number(row, member);
		if (value >= 0)
			word_write(row->words, value, out);
		break;
	case SETTING_WORDS:
		for (size_t i = 0; i < row->size / sizeof(int); i++) {
			value = ((const int *)member)[i];
			if (i > 0 && value == 0)
				break;
			(void)buf_text(out, i > 0 ? "," : "");
			word_write(row->words, value, out);
		}
		break;
	case SETTING_LIST:
	case SETTING_LISTEN:
	case SETTING_NETWORKS:
		for (const char *const *item =
			 *(const char *const *const *)member;
		     item != NULL && *item != NULL; item++) {
			if (item != *(const char *const *const *)member)
				(void)buf_char(out, ',');
			(void)buf_text(out, *item);
		}
		break;
	case SETTING_PAIRS:
		pairs_write(*(const struct track_rename *const *)member,
		    *(const size_t *)(const void *)((const char *)base +
						    row->count_at),
		    out);
		break;
	}
}

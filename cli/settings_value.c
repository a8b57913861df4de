/*
 * Reads the value of one setting, from wherever it came, into its member.
 */

#include "cli/settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
units_of(enum settings_type type)
{
	if (type == SETTINGS_SIZE)
		return units_size;
	return type == SETTINGS_DURATION ? units_duration : units_none;
}

/* A number in its largest unit: "16M". */
static void
number_write(enum settings_type type, int64_t value, char *ret, size_t size)
{
	const struct unit *unit = units_of(type);

	while (
	    unit[1].name != NULL && (value == 0 || value % unit->factor != 0))
		unit++;
	(void)snprintf(
	    ret, size, "%" PRId64 "%s", value / unit->factor, unit->name);
}

static bool
number_read(enum settings_type type, const char *text, int64_t *ret_value)
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

static const char *
type_form(enum settings_type type)
{
	switch (type) {
	case SETTINGS_SIZE:
		return "a size such as 64k, 16M or 2G";
	case SETTINGS_DURATION:
		return "a duration such as 500ms, 30s, 5m, 2h or 7d";
	case SETTINGS_INTEGER:
		return "a whole number";
	case SETTINGS_ADDRESS:
		return "an IP address and a port, such as 127.0.0.1:8080 or "
		       "[::1]:8080";
	case SETTINGS_FLAG:
		return "yes or no";
	case SETTINGS_WORD:
		return "one of";
	case SETTINGS_PATH:
		return "a path";
	case SETTINGS_TEXT:
	case SETTINGS_LIST:
		return "a text";
	}
	return "";
}

static bool
value_number_read(const struct setting *setting, const char *text,
    int64_t *ret_value, struct err *reterr)
{
	char least[32], most[32];
	int64_t value;

	if (number_read(setting->type, text, &value) &&
	    value >= setting->least && value <= setting->most) {
		*ret_value = value;
		return true;
	}
	number_write(setting->type, setting->least, least, sizeof(least));
	number_write(setting->type, setting->most, most, sizeof(most));
	return err_set(reterr, ERR_CONFIG, "should be %s, from %s to %s",
	    type_form(setting->type), least, most);
}

static bool
value_word_read(const struct setting *setting, const char *text,
    int64_t *ret_value, struct err *reterr)
{
	const char *word = setting->words;
	size_t len, want = strlen(text);

	for (int64_t at = 0;; at++) {
		len = strcspn(word, "|");
		if (len == want && memcmp(word, text, len) == 0) {
			*ret_value = at;
			return true;
		}
		if (word[len] == '\0')
			break;
		word += len + 1;
	}
	return err_set(
	    reterr, ERR_CONFIG, "should be one of %s", setting->words);
}

static bool
value_flag_read(const char *text, bool *ret_value, struct err *reterr)
{
	static const char *const words[] = {
	    "no", "yes", "false", "true", "0", "1", "off", "on"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text, words[i]) == 0) {
			*ret_value = i % 2 == 1;
			return true;
		}
	}
	return err_set(reterr, ERR_CONFIG, "should be yes or no");
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
	    !number_read(SETTINGS_INTEGER, colon + 1, &port) || port > 65535)
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

static bool
value_text_read(const char *text, char **member, struct err *reterr)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return err_set_nomem(reterr);
	free(*member);
	*member = copy;
	return true;
}

bool
settings_list_add(
    struct settings_list *list, const char *item, struct err *reterr)
{
	char **items, *copy = strdup(item);

	items = realloc(list->items, (list->count + 2) * sizeof(*items));
	if (items != NULL)
		list->items = items;
	if (copy == NULL || items == NULL) {
		free(copy);
		return err_set_nomem(reterr);
	}
	items[list->count++] = copy;
	items[list->count] = NULL;
	return true;
}

void
settings_list_clear(struct settings_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct settings_list){0};
}

/* "a, b": blanks around the commas are not part of the items. */
static bool
value_list_read(
    const char *text, struct settings_list *list, struct err *reterr)
{
	char *copy = strdup(text), *rest = copy, *item, *end;
	bool ok = copy != NULL;

	if (!ok)
		(void)err_set_nomem(reterr);
	settings_list_clear(list);
	while (ok && (item = strsep(&rest, ",")) != NULL) {
		item += strspn(item, " \t");
		end = item + strlen(item);
		while (end > item && (end[-1] == ' ' || end[-1] == '\t'))
			*--end = '\0';
		if (*item != '\0')
			ok = settings_list_add(list, item, reterr);
	}
	free(copy);
	return ok;
}

bool
settings_value_read(const struct setting *setting, const char *text, void *base,
    struct err *reterr)
{
	void *member = (char *)base + setting->at;

	switch (setting->type) {
	case SETTINGS_ADDRESS:
		if (!address_valid(text))
			return err_set(reterr, ERR_CONFIG, "should be %s",
			    type_form(setting->type));
		return value_text_read(text, member, reterr);
	case SETTINGS_TEXT:
	case SETTINGS_PATH:
		if (*text == '\0')
			return err_set(reterr, ERR_CONFIG,
			    "is empty: give it %s or remove it",
			    type_form(setting->type));
		return value_text_read(text, member, reterr);
	case SETTINGS_INTEGER:
	case SETTINGS_SIZE:
	case SETTINGS_DURATION:
		return value_number_read(setting, text, member, reterr);
	case SETTINGS_FLAG:
		return value_flag_read(text, member, reterr);
	case SETTINGS_WORD:
		return value_word_read(setting, text, member, reterr);
	case SETTINGS_LIST:
		return value_list_read(text, member, reterr);
	}
	return false;
}

bool
settings_preset(enum settings_section section, void *base, struct err *reterr)
{
	for (const struct setting *s = settings_table; s->key != NULL; s++) {
		if (s->section != section)
			continue;
		if (s->type == SETTINGS_WORD && s->preset == NULL)
			*(int64_t *)(void *)((char *)base + s->at) = -1;
		if (s->preset != NULL &&
		    !settings_value_read(s, s->preset, base, reterr))
			return false;
	}
	return true;
}

void
settings_values_fini(enum settings_section section, void *base)
{
	for (const struct setting *s = settings_table; s->key != NULL; s++) {
		void *member = (char *)base + s->at;

		if (s->section != section)
			continue;
		switch (s->type) {
		case SETTINGS_TEXT:
		case SETTINGS_PATH:
		case SETTINGS_ADDRESS:
			free(*(char **)member);
			*(char **)member = NULL;
			break;
		case SETTINGS_LIST:
			settings_list_clear(member);
			break;
		case SETTINGS_INTEGER:
		case SETTINGS_SIZE:
		case SETTINGS_DURATION:
		case SETTINGS_FLAG:
		case SETTINGS_WORD:
			break;
		}
	}
}

void
settings_word_write(const char *words, int64_t at, char *ret, size_t size)
{
	for (; at > 0; at--)
		words += strcspn(words, "|") + 1;
	(void)snprintf(ret, size, "%.*s", (int)strcspn(words, "|"), words);
}

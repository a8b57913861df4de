/*
 * Those of the rules that decide who it is, as bytes. They outlive a change
 * of the settings: what may be at Heap already must not come a second time
 * under another identity.
 *
 * Texts that end with NUL, so that they can be lent from the bytes: first
 * one of letters (version, identity, both anonymous, whether it is hashed)
 * with the mark of the key behind it, then the alias's label ("+label", or
 * "-" for any), then the placeholders.
 */
#include "schema/track.h"

#include "base/digest.h"

#include <stdlib.h>
#include <string.h>

enum {
	WHO_VERSION = '1',
	WHO_LETTERS = 5,
	WHO_MARK = 16, /* digits: who has the bytes has not the key */
};

static void
who_mark(const struct track_rules *rules, char ret_mark[WHO_MARK + 1])
{
	static const char digits[] = "0123456789abcdef", of[] = "currentsd";
	unsigned char hash[DIGEST_SHA256];
	size_t i;

	memset(ret_mark, 0, WHO_MARK + 1);
	if (!rules->identity_hash || rules->key == NULL)
		return;
	digest_hmac_sha256(rules->key, rules->key_len, of, sizeof(of), hash);
	for (i = 0; i < WHO_MARK; i++)
		ret_mark[i] = digits[hash[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
}

void
track_who_write(const struct track_rules *rules, struct buf *out)
{
	char mark[WHO_MARK + 1];
	size_t i;

	who_mark(rules, mark);
	(void)buf_char(out, WHO_VERSION);
	(void)buf_char(out, (char)('0' + rules->identity));
	(void)buf_char(out, (char)('0' + rules->anonymous[0]));
	(void)buf_char(out, (char)('0' + rules->anonymous[1]));
	(void)buf_char(out, rules->identity_hash ? 'h' : 'p');
	(void)buf_append(out, mark, strlen(mark) + 1);
	(void)buf_char(out, rules->alias_label != NULL ? '+' : '-');
	if (rules->alias_label != NULL)
		(void)buf_text(out, rules->alias_label);
	(void)buf_char(out, '\0');
	for (i = 0; i < rules->placeholders.count; i++) {
		const char *item = rules->placeholders.items[i];

		(void)buf_append(out, item, strlen(item) + 1);
	}
}

static bool
who_letters_read(const char *text, struct track_rules *rules)
{
	char mark[WHO_MARK + 1];
	size_t i;

	if (strlen(text) < WHO_LETTERS || text[0] != WHO_VERSION ||
	    text[1] < '0' || text[1] > '0' + TRACK_IDENTITY_BRAZE ||
	    (text[4] != 'h' && text[4] != 'p'))
		return false;
	for (i = 0; i < 2; i++) {
		char letter = text[2 + i];

		if (letter < '0' || letter > '0' + TRACK_ANONYMOUS_BRAZE)
			return false;
		rules->anonymous[i] = (enum track_anonymous)(letter - '0');
	}
	rules->identity = (enum track_identity)(text[1] - '0');
	rules->identity_hash = text[4] == 'h';
	who_mark(rules, mark);
	/* Without the key of then nobody can say who it was. */
	if (rules->identity_hash && strcmp(mark, text + WHO_LETTERS) != 0) {
		rules->key = NULL;
		rules->key_len = 0;
	}
	return true;
}

static size_t
who_texts(const char *bytes, size_t len)
{
	size_t i, count = 0;

	for (i = 0; i < len; i++)
		count += bytes[i] == '\0';
	return count;
}

bool
track_who_read(const char *bytes, size_t len, struct track_rules *rules,
    const char ***ret_items, struct err *reterr)
{
	struct track_rules read = *rules;
	const char **items, *text = bytes;
	size_t count = who_texts(bytes, len), i;

	if (count < 2 || bytes[len - 1] != '\0' ||
	    !who_letters_read(text, &read))
		goto damaged;
	text += strlen(text) + 1;
	if (*text != '+' && *text != '-')
		goto damaged;
	read.alias_label = *text == '+' ? text + 1 : NULL;
	items = calloc(count, sizeof(*items));
	if (items == NULL)
		return err_set_nomem(reterr);
	for (i = 0; i + 2 < count; i++) {
		text += strlen(text) + 1;
		items[i] = text;
	}
	read.placeholders = (struct track_list){items, count - 2};
	*rules = read;
	*ret_items = items;
	return true;
damaged:
	return err_set(reterr, ERR_DAMAGED, "no rules of who it is");
}

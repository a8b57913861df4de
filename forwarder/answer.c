#include "forwarder/answer.h"

#include <stdbool.h>
#include <string.h>

enum { ANSWER_WORDS = ANSWER_SHOWN / 2 + 1 };

struct answer_word {
	struct str text;
	uint64_t hash;
	bool hidden;
};

static bool
char_in_word(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z') || c == '_' || c >= 0x80;
}

/* The next word from *at on, which goes behind it; empty at the end. What a
 * backslash escapes belongs to no word. */
static bool
word_next(struct str text, size_t *at, struct answer_word *ret_word)
{
	size_t i = *at, begin;
	uint64_t hash = 0;

	while (i < text.len && !char_in_word((unsigned char)text.data[i]))
		i += text.data[i] == '\\' ? 2 : 1;
	begin = i;
	for (; i < text.len && char_in_word((unsigned char)text.data[i]); i++)
		hash = hash * 31 + ((unsigned char)text.data[i] | 0x20);
	*at = i;
	if (i <= begin)
		return false;
	*ret_word = (struct answer_word){
	    .text = str_bytes(text.data + begin, i - begin),
	    .hash = hash,
	};
	return true;
}

static bool
word_is_ascii(struct str word)
{
	for (size_t i = 0; i < word.len; i++) {
		if ((unsigned char)word.data[i] >= 0x80)
			return false;
	}
	return true;
}

/* Is it the whole name of a member? */
static bool
word_is_name(struct str request, const struct answer_word *word)
{
	const char *end = request.data + request.len;
	const char *after = word->text.data + word->text.len;

	return word->text.data > request.data && word->text.data[-1] == '"' &&
	       end - after >= 2 && after[0] == '"' && after[1] == ':';
}

/* Hide the words that are in the request. */
static void
words_hide(struct answer_word *words, size_t count, struct str request)
{
	struct answer_word word;
	uint64_t hashes = 0; /* a bit for each that there is */
	size_t at = 0;

	for (size_t i = 0; i < count; i++)
		hashes |= UINT64_C(1) << words[i].hash % 64;
	while (word_next(request, &at, &word)) {
		if ((hashes >> word.hash % 64 & 1) == 0 ||
		    word_is_name(request, &word))
			continue;
		for (size_t i = 0; i < count; i++)
			words[i].hidden |= words[i].hash == word.hash;
	}
}

size_t
answer_show(struct str answer, struct str request, char ret[ANSWER_SHOWN + 1])
{
	struct answer_word words[ANSWER_WORDS];
	size_t count = 0, at = 0, put = 0;
	bool cut = answer.len > ANSWER_SHOWN;

	if (cut)
		answer.len = ANSWER_SHOWN;
	while (word_next(answer, &at, &words[count])) {
		words[count].hidden = !word_is_ascii(words[count].text) ||
				      (cut && at == answer.len);
		count++;
	}
	words_hide(words, count, request);
	at = 0;
	for (size_t i = 0; at < answer.len;) {
		const struct answer_word *word = &words[i];
		char c = answer.data[at];

		if (i < count && answer.data + at == word->text.data) {
			if (word->hidden)
				ret[put++] = '*';
			else
				memcpy(
				    ret + put, word->text.data, word->text.len);
			put += word->hidden ? 0 : word->text.len;
			at += word->text.len;
			i++;
			continue;
		}
		ret[put++] = c == '"' ? '\'' : c < ' ' || c > '~' ? ' ' : c;
		at++;
	}
	ret[put] = '\0';
	return put;
}

/*
 * The lexer takes and refuses what jansson does: over texts built here, each
 * cut at every byte, in several surroundings, and with bytes changed at
 * random. What jansson cannot hold, though JSON allows it, is tolerated:
 * numbers too big for it, lone surrogates, NUL bytes in keys.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/currents/currents.h"
#include "schema/json/scan.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MUTATIONS = 50000 };

static const char *const pieces[] = {"0", "-0", "00", "01", "-01", "1.", "1.0",
    ".1", "-.1", "-", "+1", "1e", "1e1", "1E+1", "1e-1", "1e+", "1.e1", "0x1",
    "1_0", "12345678901234567890", "-99999999999999999999", "1e400", "1e-400",
    "-1e400", "0e0", "NaN", "Infinity", "-Infinity", "true", "tru", "True",
    "truefalse", "false", "fals", "null", "nul", "nulll", "\"\"", "\"", "''",
    "\"a\"\"b\"", "\"\\\"", "\"\\\\\"", "\"\\/\\b\\f\\n\\r\\t\"", "\"\\a\"",
    "\"\\u\"", "\"\\u12\"", "\"\\u123g\"", "\"\\u00e9\"", "\"\\u0000\"",
    "\"\\ud83d\\ude00\"", "\"\\ud83d\"", "\"\\ude00\"", "\"\\ud83d\\u0041\"",
    "\"\\U0041\"", "\"\t\"", "\"\n\"", "\"\x1f\"", "\"\x7f\"", "\"\x80\"",
    "\"\xc2\x80\"", "\"\xc0\x80\"", "\"\xc1\xbf\"", "\"\xc3\"", "\"\xc3(\"",
    "\"\xe0\x80\x80\"", "\"\xe0\xa0\x80\"", "\"\xed\x9f\xbf\"",
    "\"\xed\xa0\x80\"", "\"\xed\xbf\xbf\"", "\"\xef\xbf\xbf\"", "\"\xe2\x82\"",
    "\"\xf0\x80\x80\x80\"", "\"\xf0\x90\x80\x80\"", "\"\xf0\x9f\x98\x80\"",
    "\"\xf4\x8f\xbf\xbf\"", "\"\xf4\x90\x80\x80\"", "\"\xf5\x80\x80\x80\"",
    "\"\xff\"", "\xc3\xa9",
    "\xef\xbb\xbf"
    "1",
    "[]", "[ ]", "[,]", "[1,]", "[1 2]", "[1,,2]", "[1", "1]", "[1}", "[[]]",
    "[[]", "[]]", "{}", "{ }", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1}",
    "{\"a\":1,}", "{a:1}", "{'a':1}", "{\"a\" 1}", "{\"a\"::1}",
    "{\"a\":1 \"b\":2}", "{\"a\":1,\"a\":2}", "{\"a\":1,\"b\":[{}]}", "{1:2}",
    "{\"a\":1]", "{\"\":0}", "{\"\\u0000\":0}", "{\"\\u0061\":0}", "1 2", "1,2",
    " \t\r\n1 \t\r\n",
    "\x0b"
    "1",
    "\f1",
    "\xc2\xa0"
    "1",
    "//\n1", "/**/1", "1#", ":", ",", "\\u0031"};

/* Where each piece is tried. */
static const char *const frames[] = {"%s", "[%s]", "{\"k\":%s}",
    "{\"events\":[{\"a\":%s}, %s]}", " [ [ 1 , %s ] ] ", "\"%s\""};

static unsigned long texts, tolerated;

static bool
ours_accepts(const char *text, size_t len)
{
	char *copy = malloc(len + 1); /* of its size, for the sanitizer */
	struct scan_value value;
	struct scan scan;
	bool accepted;

	assert_non_null(copy);
	memcpy(copy + 1, text, len);
	scan_init(&scan, str_bytes(copy + 1, len));
	if (scan_value(&scan, &value) && scan_opened(&value) &&
	    !scan_skip(&scan, &value, SCAN_DEPTH))
		assert_non_null(scan.error);
	accepted =
	    scan.error == NULL && scan.bad_utf8 == NULL && !scan_space(&scan);
	free(copy);
	return accepted;
}

static bool
is_tolerated(const json_error_t *error)
{
	return json_error_code(error) == json_error_numeric_overflow ||
	       json_error_code(error) == json_error_null_byte_in_key ||
	       strstr(error->text, "invalid Unicode '\\u") != NULL;
}

static void
compare(const char *text, size_t len)
{
	json_error_t error;
	json_t *json =
	    json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	bool theirs = json != NULL, ours = ours_accepts(text, len);

	json_decref(json);
	texts++;
	if (ours == theirs)
		return;
	if (ours && is_tolerated(&error))
		tolerated++;
	else
		fail_msg("%s: %.*s (%s)", ours ? "ours takes" : "ours refuses",
		    (int)len, text, theirs ? "" : error.text);
}

static void
test_pieces(void **state)
{
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		for (size_t j = 0; j < sizeof(frames) / sizeof(frames[0]);
		     j++) {
			size_t len = 0;

			for (const char *c = frames[j]; *c != '\0'; c++) {
				if (*c != '%') {
					text[len++] = *c;
					continue;
				}
				memcpy(
				    text + len, pieces[i], strlen(pieces[i]));
				len += strlen(pieces[i]);
				c++;
			}
			for (size_t cut = 0; cut <= len; cut++)
				compare(text, cut);
		}
	}
}

/* Every byte, in a string, in a key, and between values. */
static void
test_bytes(void **state)
{
	char text[] = "[{\"k\":\"0123456789abcdefX0123456789\"},1]";

	(void)state;
	for (size_t at = 0; at < sizeof(text) - 1; at++) {
		char kept = text[at];

		for (int byte = 0; byte < 256; byte++) {
			text[at] = (char)byte;
			compare(text, sizeof(text) - 1);
		}
		text[at] = kept;
	}
}

static uint64_t seed = 1;

static size_t
below(size_t limit)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(seed >> 33) % limit;
}

/* Change a few bytes: put in, taken out, replaced, or cut short. */
static size_t
mutate(char *text, size_t len)
{
	static const char alphabet[] =
	    "{}[],:\"\\/ue0123456789.+-Etrfalsn \t\n\x01\x7f\x80\xbf\xc3\xa9"
	    "\xe2\xed\xf0\xf4\xff";
	size_t count = 1 + below(3), at;

	for (; count > 0 && len > 1; count--) {
		at = below(len);
		switch (below(4)) {
		case 0:
			memmove(text + at + 1, text + at, len - at);
			text[at] = alphabet[below(sizeof(alphabet) - 1)];
			len++;
			break;
		case 1:
			memmove(text + at, text + at + 1, len - at - 1);
			len--;
			break;
		case 2:
			text[at] = alphabet[below(sizeof(alphabet) - 1)];
			break;
		case 3:
			if (below(10) == 0)
				len = at;
			break;
		}
	}
	return len;
}

static void
test_mutations(void **state)
{
	static char text[1 << 16];
	struct sample sample;
	struct buf event;

	(void)state;
	sample_init(&sample, 99, 1790000000);
	buf_init(&event, sizeof(text) - 16);
	for (size_t i = 0; i < MUTATIONS; i++) {
		if (i % 50 == 0) {
			buf_reset(&event);
			sample_write(&sample, below(sample_types()), &event);
			assert_true(buf_ok(&event, NULL));
			compare(event.data, event.len);
		}
		memcpy(text, event.data, event.len);
		compare(text, mutate(text, event.len));
	}
	buf_fini(&event);
	print_message("%lu texts, %lu tolerated\n", texts, tolerated);
	assert_true(tolerated > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pieces),
	    cmocka_unit_test(test_bytes),
	    cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

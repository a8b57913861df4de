/*
 * The text of an answer without what may be personal of the request.
 */

#include "forwarder/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char request[] =
    "{\"app_id\":\"11\",\"events\":[{\"identity\":\"jane.doe@example.com\","
    "\"event\":\"Purchase\",\"properties\":{\"phone\":\"+49 151 2345\","
    "\"name\":\"J\\u00fcrgen\\nMiller\",\"id\":4711,\"events\":3}}]}";

static void
test_answers(void **state)
{
	static const struct {
		const char *answer, *shown;
	} rows[] = {
	    {"", ""},
	    {"Invalid API key", "Invalid API key"},
	    /* names of members stay, values go */
	    {"{\"error\":\"identity jane.doe@example.com of events is bad\"}",
		"{'error':'identity *.*@*.* of events is bad'}"},
	    {"JANE.DOE is unknown", "*.* is unknown"},
	    {"no user 4711, nor 47110", "no user *, nor 47110"},
	    {"call +49 151 2345!", "call +* * *!"},
	    {"app_id 11 is bad", "app_id * is bad"},
	    /* however it is written */
	    {"J\xc3\xbcrgen Miller", "* *"},
	    {"J\\u00fcrgen\\nMiller", "*\\u*\\n*"},
	    {"\"a\"\x1b\n\\", "'a'  \\"},
	};
	char shown[ANSWER_SHOWN + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(answer_show(str_text(rows[i].answer),
				     str_text(request), shown),
		    strlen(rows[i].shown));
		assert_string_equal(shown, rows[i].shown);
	}
}

/* The half of a word is not in the request, and may be of a name. */
static void
test_a_cut_word_is_hidden(void **state)
{
	char answer[ANSWER_SHOWN * 2], shown[ANSWER_SHOWN + 1];

	(void)state;
	for (size_t len = ANSWER_SHOWN - 4; len < ANSWER_SHOWN + 4; len++) {
		memset(answer, '.', sizeof(answer));
		(void)snprintf(answer + len - 4, 8, "jane");
		answer[len] = ' ';
		(void)answer_show(str_bytes(answer, sizeof(answer)),
		    str_text(request), shown);
		for (const char *part = "jane"; part[1] != '\0'; part++)
			assert_null(strstr(shown, part));
		assert_null(strstr(shown, "ja"));
	}
	/* as many words as there can be */
	for (size_t i = 0; i < sizeof(answer); i++)
		answer[i] = i % 2 == 0 ? 'a' : ' ';
	assert_int_equal(answer_show(str_bytes(answer, sizeof(answer)),
			     str_text(request), shown),
	    ANSWER_SHOWN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_a_cut_word_is_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The manual page has the tables of commands and settings as they are.
 */

#include "cli/help.h"
#include "settings_help.h"

static void
test_manual_page(void **state)
{
	static const char stars[] = ".\\\" ****\n";
	char *page = malloc(1 << 20), *begin, *end;
	FILE *file = fopen(SOURCE_DIR "/deploy/man/currentsd.1", "r");
	struct buf out;
	size_t len;
	bool same;

	(void)state;
	assert_non_null(page);
	assert_non_null(file);
	len = fread(page, 1, (1 << 20) - 1, file);
	page[len] = '\0';
	assert_int_equal(fclose(file), 0);
	begin = strstr(page, stars);
	assert_non_null(begin);
	begin += strlen(stars);
	end = strstr(begin, stars);
	assert_non_null(end);

	buf_init(&out, 1 << 20);
	help_roff_write(&commands_all, &out);
	same = (size_t)(end - begin) == out.len &&
	       memcmp(begin, out.data, out.len) == 0;
	buf_fini(&out);
	free(page);
	if (!same)
		fail_msg("put the output of `currentsd help roff` between the "
			 "stars of deploy/man/currentsd.1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_manual_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#ifndef TESTS_SETTINGS_HELP_H
#define TESTS_SETTINGS_HELP_H

/* What the tests of the settings share: an environment that a test fills, and
 * files that vanish with it. */

#include "daemon/settings_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Only these variables, "NAME=VALUE", NULL-ended. */
static inline void
environment_set(const char *const *pairs)
{
	char name[128];

	assert_int_equal(clearenv(), 0);
	/* Nothing depends on the settings of the machine. */
	assert_int_equal(setenv("CURRENTSD_CONFIG", "/dev/null", 1), 0);
	assert_int_equal(setenv("CURRENTSD_ENV_FILE", "/dev/null", 1), 0);
	for (; pairs != NULL && *pairs != NULL; pairs++) {
		size_t len = strcspn(*pairs, "=");

		(void)snprintf(name, sizeof(name), "%.*s", (int)len, *pairs);
		assert_int_equal(setenv(name, *pairs + len + 1, 1), 0);
	}
}

/* A file with this text; the name goes to `ret`, of at least 32 bytes. */
static inline void
file_make(const char *text, mode_t mode, char *ret)
{
	int fd;

	(void)strcpy(ret, "/tmp/test_settings.XXXXXX");
	fd = mkstemp(ret);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

/* A growing buffer is not NUL-ended. */
static inline bool
buf_has(const struct buf *buf, const char *text)
{
	return buf->len > 0 &&
	       memmem(buf->data, buf->len, text, strlen(text)) != NULL;
}

#endif

/*
 * Prints odd events, all types in turn, for tests/daemon. Usage: odd_probe
 * COUNT SEED
 */

#include "schema/currents/catalogue.h"
#include "schema/currents/currents.h"
#include "tests/unit/odd_sample.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROOM = 1 << 20, NOW = 1790000000 };

int
main(int argc, char **argv)
{
	struct odd_sample sample = {.now_s = NOW};
	struct buf out;
	size_t count;

	if (argc != 3)
		return 2;
	count = strtoul(argv[1], NULL, 10);
	sample.state = strtoull(argv[2], NULL, 10);
	buf_init(&out, ROOM);
	for (size_t i = 0; i < count; i++) {
		buf_reset(&out);
		odd_sample_write(&sample,
		    i % catalogue_type_count(&catalogue_builtin), &out);
		(void)buf_char(&out, '\n');
		CHECK(buf_ok(&out, NULL));
		(void)fwrite(out.data, 1, out.len, stdout);
	}
	buf_fini(&out);
	return 0;
}

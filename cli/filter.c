#include "cli/filter.h"

#include <string.h>

bool
filter_given(const struct options *options)
{
	bool given = false;

	for (size_t i = 0; i < options->set_count; i++)
		given |= str_has_word("type user source reason since",
		    options->set[i].name + strlen("--"));
	return given;
}

#include "schema/blank.h"

#include "schema/text.h"

bool
blank_is(const char *data, size_t len)
{
	return text_blank(data, len);
}

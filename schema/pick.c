#include "schema/pick.h"

#include "schema/scan.h"

enum { PICK_LEVELS = 64 };

bool
pick_member(
    const char *json, size_t len, const char *name, struct pick *ret_value)
{
	struct scan_value key, value;
	struct scan scan;
	bool first = true;

	scan_init(&scan, json, len);
	if (!scan_value(&scan, &value) || value.kind != SCAN_OBJECT)
		return false;
	while (scan_member(&scan, &first, &key)) {
		if (!scan_value(&scan, &value) ||
		    (scan_opened(&value) &&
			!scan_skip(&scan, &value, PICK_LEVELS)))
			return false;
		if (!scan_equals(&key, name, strlen(name)))
			continue;
		*ret_value = (struct pick){.data = value.data,
		    .len = value.len,
		    .text = value.kind == SCAN_STRING};
		return true;
	}
	return false;
}

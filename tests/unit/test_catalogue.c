/* The compiled catalogue says what schema/currents/events.json says, and no
 * more. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/currents/catalogue.h"
#include "schema/currents/currents.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static json_t *root;

static int
load(void **state)
{
	(void)state;
	root =
	    json_load_file(SOURCE_DIR "/schema/currents/events.json", 0, NULL);
	return root == NULL;
}

static int
unload(void **state)
{
	(void)state;
	json_decref(root);
	return 0;
}

static void
test_properties(void **state)
{
	json_t *all = json_object_get(root, "properties"), *value, *class;
	const struct catalogue_property *property;
	const char *name;
	size_t index, at = 0;

	(void)state;
	assert_int_equal(json_object_size(all),
	    catalogue_property_count(&catalogue_builtin));
	assert_string_equal(
	    catalogue_class_name(CATALOGUE_UNCLASSIFIED), "unclassified");
	json_object_foreach(all, name, value)
	{
		index =
		    catalogue_property_find(&catalogue_builtin, str_text(name));
		assert_int_equal(index, at++);
		property = catalogue_property_at(&catalogue_builtin, index);
		assert_string_equal(property->name.data, name);
		assert_string_equal(catalogue_kind_name(property->kind),
		    json_string_value(json_object_get(value, "type")));
		class = json_object_get(value, "class");
		assert_int_not_equal(property->class, CATALOGUE_UNCLASSIFIED);
		assert_string_equal(catalogue_class_name(property->class),
		    class == NULL ? "plain" : json_string_value(class));
		assert_int_equal(property->seen != NULL,
		    json_object_get(value, "seen") != NULL);
	}
}

static bool
has(json_t *list, const char *wanted)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (strcmp(json_string_value(item), wanted) == 0)
			return true;
	}
	return false;
}

static void
check_kinds(const struct catalogue_type *type, json_t *value)
{
	json_t *list = json_object_get(value, "properties"), *own;
	const char *name;

	for (size_t i = 0; i < catalogue_property_count(&catalogue_builtin);
	     i++) {
		name = catalogue_property_at(&catalogue_builtin, i)->name.data;
		if (!has(list, name)) {
			assert_int_equal(type->kinds[i], CATALOGUE_NO_KIND);
			continue;
		}
		own = json_object_get(json_object_get(value, "types"), name);
		assert_string_equal(
		    catalogue_kind_name((enum catalogue_kind)type->kinds[i]),
		    own != NULL ? json_string_value(own)
				: catalogue_kind_name(catalogue_property_at(
				      &catalogue_builtin, i)
							  ->kind));
	}
}

static void
test_types(void **state)
{
	json_t *all = json_object_get(root, "events"), *value, *list;
	const struct catalogue_type *type;
	const char *name;
	size_t index, at = 0;

	(void)state;
	assert_int_equal(
	    json_object_size(all), catalogue_type_count(&catalogue_builtin));
	json_object_foreach(all, name, value)
	{
		index = catalogue_type_find(&catalogue_builtin, str_text(name));
		assert_int_equal(index, at++);
		type = catalogue_type_at(&catalogue_builtin, index);
		assert_string_equal(type->name.data, name);
		assert_string_equal(type->family,
		    json_string_value(json_object_get(value, "family")));
		check_kinds(type, value);
		list = json_object_get(value, "properties");
		assert_int_equal(type->property_count, json_array_size(list));
		list = json_object_get(value, "required");
		assert_int_equal(type->required_count, json_array_size(list));
		for (size_t i = 0; i < type->required_count; i++)
			assert_true(
			    has(list, catalogue_property_at(
					  &catalogue_builtin, type->required[i])
					  ->name.data));
		list = json_object_get(value, "user");
		for (size_t i = 0; i < catalogue_user_count(&catalogue_builtin);
		     i++)
			assert_int_equal(type->user >> i & 1,
			    has(list,
				catalogue_user_name(&catalogue_builtin, i)));
	}
}

/* Names that are nearly in it are not. */
static void
test_unknown(void **state)
{
	char name[128];
	size_t len;

	(void)state;
	assert_int_equal(
	    catalogue_property_find(&catalogue_builtin, str_text("")),
	    catalogue_property_count(&catalogue_builtin));
	assert_int_equal(catalogue_type_find(&catalogue_builtin, str_text("")),
	    catalogue_type_count(&catalogue_builtin));
	for (size_t i = 0; i < catalogue_type_count(&catalogue_builtin); i++) {
		len = catalogue_type_at(&catalogue_builtin, i)->name.len;
		for (size_t at = 0; at < len; at++) {
			memcpy(name,
			    catalogue_type_at(&catalogue_builtin, i)->name.data,
			    len);
			name[at] = '#';
			assert_int_equal(catalogue_type_find(&catalogue_builtin,
					     str_bytes(name, len)),
			    catalogue_type_count(&catalogue_builtin));
		}
	}
	for (size_t i = 0; i < catalogue_property_count(&catalogue_builtin);
	     i++) {
		len = catalogue_property_at(&catalogue_builtin, i)->name.len;
		for (size_t at = 0; at < len; at++) {
			memcpy(name,
			    catalogue_property_at(&catalogue_builtin, i)
				->name.data,
			    len);
			name[at] = '#';
			assert_int_equal(
			    catalogue_property_find(
				&catalogue_builtin, str_bytes(name, len)),
			    catalogue_property_count(&catalogue_builtin));
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_properties),
	    cmocka_unit_test(test_types),
	    cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, load, unload);
}

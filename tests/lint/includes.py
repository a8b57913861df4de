"""Includes point down only, and a library lives in one folder.

    cli
    daemon
    server    forwarder
    schema    queue
    base

A module sees the public headers of the modules that it stands on, and of
no other; siblings never meet. The folders of schema/ have floors of their own.
The simulators share nothing with the daemon.
"""

import re

import tree

STANDS_ON = {
    "base": (),
    "schema": ("base",),
    "queue": ("base",),
    "server": ("base", "schema", "queue"),
    "forwarder": ("base", "schema", "queue"),
    "daemon": ("base", "schema", "queue", "server", "forwarder"),
    "cli": ("base", "schema", "queue", "server", "forwarder", "daemon"),
}

# Within schema/: json, then the seams and what all dialects know, then the
# dialects. track maps the events of currents, so it reads the catalogue;
# attributes and cohorts are two ways to the same profiles, and audience is
# what they share; no other dialect needs another.
SCHEMA = {
    "schema/json": (),
    "schema": ("schema/json",),
    "schema/currents": ("schema", "schema/json"),
    "schema/track": ("schema", "schema/json", "schema/currents"),
    "schema/segments": ("schema", "schema/json"),
    "schema/audience": ("schema", "schema/json"),
    "schema/attributes": ("schema", "schema/json", "schema/audience"),
    "schema/cohorts": ("schema", "schema/json", "schema/audience"),
}

# What a module shows to the others; of base/, a shelf of tools, everything.
PUBLIC = {
    "schema/dialect.h", "schema/currents/currents.h", "schema/track/track.h",
    "schema/segments/segments.h", "schema/attributes/attributes.h",
    "schema/cohorts/cohorts.h", "schema/json/scan.h", "schema/json/text.h",
    "queue/queue.h", "queue/admin.h", "queue/sqlite/rescue.h",
    "server/server.h", "server/call.h", "server/socket.h",
    "forwarder/forwarder.h", "forwarder/post.h",
    "daemon/daemon.h", "daemon/segments.h", "daemon/settings.h", "daemon/status.h",
    "daemon/api.h", "daemon/event.h", "daemon/job.h", "daemon/erase.h",
    "daemon/persons.h", "daemon/bodies.h", "daemon/facts.h",
    "daemon/history.h",
    "daemon/filesystem.h", "daemon/notify.h", "daemon/activation.h",
    "daemon/reload.h", "daemon/settings_diff.h", "daemon/generation.h",
}

# header -> the folders or files that may include it. jansson is for the
# catalogue, which is ours or the operator's, and for the two sides of the
# admin interface: bodies of its calls, and answers.
LIBRARIES = {
    "sqlite3.h": ("queue/sqlite",),
    "zstd.h": ("queue",),
    "zstd_errors.h": ("queue",),
    "microhttpd.h": ("server",),
    "zlib.h": ("server",),
    "gnutls/": ("server",),
    "curl/": ("forwarder", "cli"),
    "confuse.h": ("daemon",),
    "nettle/": ("base",),
    "jansson.h": ("schema/currents/catalogue_read.c", "daemon", "cli"),
    "libsmartcols/": ("cli",),
}

LIBRARY_TYPES = re.compile(
    r"\b(MHD_\w+|gnutls_\w+|sqlite3\w*|CURLM?\w*|ZSTD_\w+|z_stream\w*|json_t|cfg_\w*t)\b")

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def check_schema(found, path, number, header):
    floor, below = str(path.parent), header.rpartition("/")[0]
    if floor in SCHEMA and below != floor and below not in SCHEMA[floor]:
        found.add(path, number, f"{floor} includes {header}: it does not "
                  "stand on that")


def check_project(found, path, number, header):
    module, target = path.parts[0], header.split("/")[0]
    if path.parts[:2] == ("tests", "sim"):
        if target in tree.MODULES:
            found.add(path, number, f"a simulator includes {header}: it "
                      "must not share code with what it tests")
    elif module not in STANDS_ON:
        return
    elif target not in tree.MODULES:
        found.add(path, number, f'"{header}": the include path is the root '
                  'of the tree, as in "queue/queue.h"')
    elif target == "schema" and module == "schema":
        check_schema(found, path, number, header)
    elif target == module:
        return
    elif target not in STANDS_ON[module]:
        found.add(path, number, f"{module} includes {header}: includes "
                  "point down only and siblings never meet")
    elif target != "base" and header not in PUBLIC:
        found.add(path, number, f"{header} is private to {target}")


def check_library(found, path, number, header):
    if path.parts[0] not in STANDS_ON:
        return
    for library, homes in LIBRARIES.items():
        if header == library or header.startswith(library):
            if not any(f"{path}/".startswith(home + "/") for home in homes):
                found.add(path, number,
                          f"<{header}> belongs in {' or '.join(homes)}")
            elif str(path) in PUBLIC:
                found.add(path, number, f"<{header}> in a public header")


def main():
    found = tree.Findings()
    for path in tree.files(".c", ".h"):
        public = str(path) in PUBLIC or (
            path.parts[0] == "base" and path.suffix == ".h")
        for number, text in tree.lines(path):
            include = INCLUDE.match(text)
            if include and include[1] == '"':
                check_project(found, path, number, include[2])
            elif include:
                check_library(found, path, number, include[2])
            kind = LIBRARY_TYPES.search(text) if public else None
            if kind and not text.lstrip().startswith(("*", "/*")):
                found.add(path, number, f"{kind[0]}: no type of a library "
                          "in a public header")
    found.end()


main()

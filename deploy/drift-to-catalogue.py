#!/usr/bin/env python3
"""Turns drift, what Braze sent that is not in the catalogue, into additions:

    currentsd drift --json | deploy/drift-to-catalogue.py >additions.json

prints them in the form of schema/currents/events.json, as the setting catalogue
takes them, and what you must decide on stderr. A new property may be personal unless it is a number or a boolean, so
it gets the class content: it is left out until you change or remove its class.
"""

import json
import sys

NAME_MOST = 124  # bytes; drift cuts a longer name
KINDS = {"string", "integer", "number", "boolean", "object", "array<string>",
         "array<string|null>"}
WIDER = {"integer": "number", "array<string>": "array<string|null>"}
HARMLESS = {"integer", "number", "boolean"}
NOT_ADDED = {
    "unknown member": "currentsd does not read this member of an event",
    "blank required": "remove it from the \"required\" of its type?",
    "new json type": "it has another JSON type than in the catalogue",
    "more": "there was more drift than queue_drift keeps"}


def nameable(row):
    names = [row["type"]]
    if row["what"] != "unknown type":
        names.append(row["field"])
    return all(name.strip() and name.isprintable() and
               not set(name) & set("\"\\") and len(name.encode()) <= NAME_MOST
               for name in names)


def kind_of(seen):
    """The catalogue's word for these JSON types; "" if there was only null and
    blank; None if no word fits all."""
    kinds = {kind for kind in seen - {"null", "blank"}
             if WIDER.get(kind) not in seen}
    if not kinds:
        return ""
    return kinds.pop() if len(kinds) == 1 and kinds <= KINDS else None


def additions(rows):
    """The catalogue's sections, and what is not in them, with the reason."""
    user, properties, events, left = {}, {}, {}, []
    new_types, seen = set(), {}

    def scope(row):
        """A new property has one type everywhere; a known one may differ."""
        return row["field"], row["known_as"] and row["type"]

    def event(row):
        return events.setdefault(row["type"], {"properties": []})

    for row in rows:
        if row["what"] == "unknown type":
            new_types.add(row["type"])
        elif row["what"] == "unknown property":
            seen.setdefault(scope(row), set()).add(row["json"])
    for row in rows:
        name, known_as = row["field"], row["known_as"]
        if row["what"] == "left out":
            continue  # it is an unknown property, too
        if row["what"] in NOT_ADDED:
            left.append((row, NOT_ADDED[row["what"]]))
        elif not nameable(row):
            left.append((row, "its name is blank, truncated or unusual"))
        elif row["what"] == "unknown type":
            event(row)
        elif row["what"] == "unknown user member":
            if known_as is None:
                user[name] = f"{row['json']}, seen by drift"
            if row["type"] not in new_types:  # a new type has all of user
                members = event(row).setdefault("user", [])
                members += [name] * (name not in members)
        elif row["what"] == "unknown property":
            kind = kind_of(seen[scope(row)])
            if kind is None:
                left.append((row, "decide on its type, then add it"))
                continue
            if name not in event(row)["properties"]:
                event(row)["properties"].append(name)
            if known_as is None:
                properties[name] = {"type": kind or "string"}
                if kind not in HARMLESS:
                    properties[name]["class"] = "content"
            elif kind not in ("", known_as) and WIDER.get(kind) != known_as:
                event(row).setdefault("types", {})[name] = kind
    sections = {"user": user, "properties": properties, "events": events}
    return {name: made for name, made in sections.items() if made}, left


def tell(text):
    print("drift-to-catalogue:", text, file=sys.stderr)


def main():
    try:
        catalogue, left = additions(json.load(sys.stdin))
    except (ValueError, KeyError, TypeError):
        sys.exit("drift-to-catalogue: give the output of currentsd drift --json "
                 "on standard input")
    print(json.dumps(catalogue, indent=2, ensure_ascii=False))
    for name, described in catalogue.get("properties", {}).items():
        if "class" in described:
            tell(f"{name} gets the class content, so it is left out; if it is "
                 "not personal, remove its class")
    for row, why in left:
        words = " ".join(repr(row[key]) for key in ("type", "field", "json")
                         if row[key])
        tell(f"not added: {row['what']}: {words}: {why}")


if __name__ == "__main__":
    main()

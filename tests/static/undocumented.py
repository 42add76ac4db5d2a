#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Finds functions that a header declares and no kernel-doc comment describes.

Reads file names from standard input.  The comment may be in any of them, at
the declaration or at the definition.
"""

import re
import sys

COMMENT = re.compile(r"/\*\*\n \* (?:struct |enum |union )?(\w+)(?:\(\))?"
                     r"(?: -|:|\n)")
PROTOTYPE = re.compile(r"^(?!static|typedef|extern \"C\"|return|else)"
                       r"(?:[A-Za-z_][\w \t]*[ \t*]+)"
                       r"\**(\w+)\([^;{}]*\)[^;{}()]*;", re.M | re.S)
KEYWORDS = {"if", "while", "for", "switch", "return", "sizeof"}


def strip(text):
    """Blanks comments and preprocessor lines, keeping line numbers."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))

    text = re.sub(r"/\*.*?\*/", blank, text, flags=re.S)
    text = re.sub(r"//[^\n]*", blank, text)
    return re.sub(r"^#(?:[^\n]*\\\n)*[^\n]*", blank, text, flags=re.M)


def main():
    documented = set()
    declared = []
    for name in sys.stdin.read().split():
        with open(name, encoding="utf-8") as file:
            text = file.read()
        documented.update(COMMENT.findall(text))
        if not name.endswith(".h"):
            continue
        code = strip(text)
        for match in PROTOTYPE.finditer(code):
            line = code.count("\n", 0, match.start(1)) + 1
            if match.group(1) not in KEYWORDS:
                declared.append((name, line, match.group(1)))
    missing = [entry for entry in declared if entry[2] not in documented]
    for name, line, function in missing:
        print(f"{name}:{line}: no kernel-doc comment for {function}()")
    return 1 if missing else 0


sys.exit(main())

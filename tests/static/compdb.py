#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Turns "directory<TAB>compiler command" lines into what other tools read.

    compdb.py        prints compile_commands.json
    compdb.py CC     prints a shell command for each file, which compiles it
                     with CC, takes warnings for errors, and keeps no result

Of several commands for one file the first counts.  Commands that do not name
a C file (links, for example) are left out, and so are -o and -M options: the
tools that read the result write no files.
"""

import json
import os
import shlex
import sys


def without_outputs(args):
    """Yields the arguments but those that name or cause output files."""
    skip = False
    for arg in args:
        if skip:
            skip = False
        elif arg == "-o":
            skip = True
        elif not arg.startswith("-M"):
            yield arg


def entries(line):
    """Yields the database entries of one command."""
    directory, command = line.rstrip("\n").split("\t", 1)
    args = list(without_outputs(shlex.split(command)))
    args[0] = "cc"
    for name in [arg for arg in args if arg.endswith(".c")]:
        path = os.path.normpath(os.path.join(directory, name))
        if os.path.exists(path):
            yield {"directory": directory, "file": path, "arguments": args}


def shell_command(entry, compiler):
    """The entry as a command for a shell."""
    args = entry["arguments"][1:]
    if "-c" not in args:
        args.append("-c")
    return (f"cd {shlex.quote(entry['directory'])} && {compiler} "
            f"{shlex.join(args)} -Werror -o /dev/null")


def main():
    seen = {}
    for line in sys.stdin:
        for entry in entries(line):
            seen.setdefault(entry["file"], entry)
    if len(sys.argv) < 2:
        json.dump(list(seen.values()), sys.stdout, indent=1)
        return
    for entry in seen.values():
        print(shell_command(entry, sys.argv[1]))


main()

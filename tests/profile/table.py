#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Prints what insn.c counted, in instructions per request, by symbol.

    table.py [--lines N] DIR

DIR is what tests/profile/run leaves: counts/, lab/load/ with the symbols of
both kernels, of Xen and of the daemon.  A request is the long run without the
short one, divided by the difference of their lengths: what a run costs once
does not count.

Both domains may have the same kernel at the same addresses, and the place in
memory tells them apart:

  kernel image  dom0's is in one piece, and was there before the domU
  modules       dom0's pages that were used before there was a domU; the others
                belong to whom has a module at that address; if both have, to
                the domU, unless dom0 has something within the same 2 MiB
  user          the daemon's by its mappings, the rest is the domU's (fio)
"""

import argparse
import bisect
import collections
import os

IMAGE = 0xffffffff80000000
MODULES = 0xffffffffc0000000
XEN = range(0xffff82d000000000, 0xffff830000000000)
USER_END = 1 << 47
PAGE = 12
LARGE = 21

SPACES = ("domU user", "domU kernel", "Xen", "dom0 kernel", "dom0 daemon",
          "other")


class Symbols:
    """Names of addresses."""

    def __init__(self):
        self.starts, self.names = [], []

    def load(self, path, base=0):
        """Reads lines as kallsyms and nm have them."""
        found = {}
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                words = line.split()
                if len(words) < 3 or words[1] not in "tTwWiV":
                    continue
                module = words[3] + " " if len(words) > 3 else ""
                found.setdefault(int(words[0], 16) + base,
                                 (module, words[2]))
        self.starts = sorted(found)
        self.names = [found[start] for start in self.starts]
        return self

    def name(self, address):
        """("[module] " or "", function), whatever is next below."""
        i = bisect.bisect_right(self.starts, address) - 1
        return self.names[i] if i >= 0 else ("", f"{address:#x}")

    def module(self, address):
        """The same, ("", ...) for what is in no module.

        Behind the last function of one, its page is all that it can have.
        """
        i = bisect.bisect_right(self.starts, address) - 1
        name = self.name(address)
        last = i + 1 == len(self.names) or self.names[i + 1][0] != name[0]
        if last and address >> PAGE != self.starts[i] >> PAGE:
            return ("", f"{address:#x}")
        return name


class Mappings:
    """The executable mappings of the daemon."""

    def __init__(self, path, nm):
        self.ranges = []
        base = None
        with open(path, encoding="utf-8") as file:
            for line in file:
                words = line.split()
                start, end = (int(w, 16) for w in words[0].split("-"))
                name = os.path.basename(words[5]) if len(words) > 5 else "?"
                if name == "xen-virtiod" and base is None:
                    base = start - int(words[2], 16)
                if "x" in words[1]:
                    self.ranges.append((start, end, name))
        self.symbols = Symbols().load(nm, base or 0)

    def name(self, address):
        """Function or library, None if it is not the daemon's."""
        for start, end, name in self.ranges:
            if start <= address < end:
                if name == "xen-virtiod":
                    return self.symbols.name(address)[1]
                return name
        return None


def read_counts(path):
    """Yields (vaddr, place, epoch, count)."""
    with open(path, encoding="ascii") as file:
        for line in file:
            vaddr, place, epoch, count = line.split()
            yield int(vaddr, 16), int(place, 16), int(epoch), int(count)


class Machine:
    """Whose an instruction is, and what it is called."""

    def __init__(self, top):
        lab = os.path.join(top, "lab", "load")
        self.dom0 = Symbols().load(os.path.join(lab, "dom0.kallsyms"))
        self.domu = Symbols().load(os.path.join(lab, "domu.kallsyms"))
        self.xen = Symbols().load(os.path.join(lab, "xensyms"))
        self.daemon = Mappings(os.path.join(lab, "maps"),
                               os.path.join(top, "xen-virtiod.nm"))
        self.pages, self.regions = set(), set()
        distances = collections.Counter()
        for vaddr, place, _, _ in read_counts(os.path.join(top, "counts",
                                                           "0")):
            if IMAGE <= vaddr < MODULES:
                distances[place - vaddr] += 1
            self.pages.add(place >> PAGE)
            self.regions.add(place >> LARGE)
        self.distance = distances.most_common(1)[0][0]

    def module(self, vaddr, place):
        """Of code that the kernel loaded."""
        dom0, domu = self.dom0.module(vaddr), self.domu.module(vaddr)
        if place >> PAGE in self.pages or not domu[0] or \
                (dom0[0] and place >> LARGE in self.regions):
            return "dom0 kernel", dom0[0] + dom0[1]
        return "domU kernel", domu[0] + domu[1]

    def owner(self, vaddr, place):
        """(space, name)"""
        if not vaddr:
            return "other", "(the plugin's table was full)"
        if vaddr in XEN:
            return "Xen", self.xen.name(vaddr)[1]
        if vaddr >= MODULES:
            return self.module(vaddr, place)
        if vaddr >= IMAGE:
            if place - vaddr == self.distance:
                return "dom0 kernel", self.dom0.name(vaddr)[1]
            return "domU kernel", self.domu.name(vaddr)[1]
        if vaddr < USER_END:
            name = self.daemon.name(vaddr)
            if name:
                return "dom0 daemon", name
            return "domU user", "(programs)"
        return "other", f"{vaddr:#x}"


def add_up(machine, path, weight, total):
    """Adds the counts of an interval to TOTAL, by (space, name)."""
    for vaddr, place, _, count in read_counts(path):
        total[machine.owner(vaddr, place)] += count * weight


def profiles(top):
    """{direction: {device: {(space, name): instructions per request}}}"""
    machine = Machine(top)
    runs = {}
    with open(os.path.join(top, "lab", "load", "intervals"),
              encoding="utf-8") as file:
        for line in file:
            number, *words = line.split()
            if len(words) == 3 and words[2].isdigit():
                runs.setdefault((words[1], words[0]), []).append(
                    (int(words[2]), number))
    result = {}
    for (direction, device), ((few, short), (many, long)) in runs.items():
        total = collections.Counter()
        weight = 1 / (many - few)
        add_up(machine, os.path.join(top, "counts", long), weight, total)
        add_up(machine, os.path.join(top, "counts", short), -weight, total)
        result.setdefault(direction, {})[device] = total
    return result


def print_lines(title, names, columns, lines):
    """One table: the LINES names with most in any of the columns."""
    def most(name):
        return max(abs(column[name]) for column in columns.values())

    print(f"\n{title}")
    print("".join(f"{device:>10}" for device in columns))
    shown = sorted(names, key=most, reverse=True)[:lines]
    for name in shown:
        print("".join(f"{column[name]:10.0f}" for column in columns.values()),
              "", name if isinstance(name, str) else f"{name[1]}")
    rest = set(names) - set(shown)
    if rest:
        print("".join(f"{sum(column[n] for n in rest):10.0f}"
                      for column in columns.values()), " (the rest)")


def print_profile(direction, columns, lines):
    """All tables of one direction."""
    spaces = {device: collections.Counter() for device in columns}
    for device, column in columns.items():
        for (space, _), count in column.items():
            spaces[device][space] += count
            spaces[device]["total"] += count
    print_lines(f"=== {direction}: instructions per request",
                ("total",) + SPACES, spaces, len(SPACES) + 1)
    for space in SPACES[1:]:
        names = {name for column in columns.values() for name in column
                 if name[0] == space}
        if names:
            print_lines(f"{direction}, {space}", names, columns, lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=40)
    parser.add_argument("dir")
    args = parser.parse_args()
    for direction, columns in profiles(args.dir).items():
        print_profile(direction, columns, args.lines)


main()

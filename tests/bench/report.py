#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Makes a report of what measure.sh said.

    report.py [--compare OLD.json[.gz]] DIR LOG...

Each LOG, of one boot, has lines "bench: KIND KEY=VALUE..."; DIR gets report.json, report.md, and
what gnuplot needs for the pictures.  The summary goes to standard output.  All
costs are instructions of the whole machine, counted by the emulator's clock;
nothing here is time of any hardware.

Exit status: 0, 1 when something is missing, 2 when there is nothing to report.
"""

import argparse
import gzip
import json
import re
import sys

import account
from growth import draw_growth, growth_tables, make_growth, make_grown
from micro import (BACKEND, GUEST, crossover_table, draw_micro, make_crossover,
                   make_guest, micro_tables)
from values import (BASELINE, FLOOR, KEYS, NOISE, OURS, PVH, PVH_FLOOR,
                    REFERENCE, REPEATS, cost, find, load_name, loads_of,
                    name_of, picture, table, unique, write)

# What grants may add to the same without them, in percent, in mode auto.
OVERHEADS = (("4k", 32, 10), ("1m", 32, 15))
# What the project wants: what we add to the floor, by what blkfront adds.
TARGETS = (("4k", 32, 0.5), ("4k", 1, 0.8), ("64k", 32, 0.7))
# Counters that mean the same, whoever keeps them; summed up for each I/O.
COUNTS = {
    "notifications": ("guest.queue0.kicks", "guest.queue0.interrupts",
                      "guest.blkif", "dom0.blkif-backend"),
    "guest_copied_bytes": ("guest.bytes_in", "guest.bytes_out"),
    "backend_copied_bytes": ("dom0.bytes-copied",),
    "backend_maps": ("dom0.grant-maps",),
    "backend_unmaps": ("dom0.grant-unmaps",),
    "backend_grant_copies": ("dom0.grant-copies",),
    "backend_polls": ("dom0.polls",),
    "backend_poll_hits": ("dom0.poll-hits",),
    "backend_poll_ns": ("dom0.poll-ns",),
}
# The same of the run with probes.
PROBED = {
    "grants": ("guest.hits.gnttab_grant_foreign_access_ref",),
    "revoked": ("guest.hits.gnttab_end_foreign_access_ref",),
    "map_calls": ("dom0.hits.gnttab_map_refs",),
    "unmap_calls": ("dom0.hits.gnttab_unmap_refs",),
    "copy_calls": ("dom0.hits.gnttab_batch_copy",),
}
# What parts of the full set have of growth.
GROWN = {"vcpus": ("queues", "vcpus"), "guests": ("guests",),
         "devices": ("devices", "devices-idle")}


def pairs(text):
    """The dictionary of "KEY=VALUE..."; numbers are numbers."""
    found = {}
    for word in text.split():
        key, equals, value = word.partition("=")
        if equals:
            found[key] = account.number(value)
    return found


def per_io(values, ios, names):
    """Sums of counters for each I/O."""
    return {name: round(sum(values.get(key, 0) for key in keys) / ios, 4)
            for name, keys in names.items()}


def make_point(values):
    """The result of one timed run; the error is half of what its quarters
    differ by."""
    point = {key: values[key] for key in KEYS + ("ios", "timed")}
    point.update(instructions=round(values["ns"] / values["timed"]),
                 error=round((values["high"] - values["low"]) / 2))
    point.update(per_io(values, values["ios"], COUNTS))
    return point


def make_fio(values):
    """Instructions for 4 KiB at depth 32 as fio says, which counts ms."""
    return {"transport": values["transport"], "rw": values["rw"],
            "instructions": round(values["ms"] * 4e6 / values["kib"])}


def add_set(report, values):
    """What is measured; with several boots the parts of all of them."""
    if "set" in report:
        for key in ("parts", "points"):
            values[key] = report["set"][key] + (
                "," if key == "parts" else 0) + values[key]
    report["set"] = values


def add_line(report, kind, text):
    """One line of a log."""
    values = pairs(text)
    if kind == "set":
        add_set(report, values)
    elif kind == "point":
        report["macro"].append(make_point(values))
    elif kind == "probed":
        add_probed(report, values)
    elif kind == "growth":
        report["grown"].append(make_grown(values))
    elif kind == "fio":
        report["fio"].append(make_fio(values))
    elif kind == "micro":
        report["micro_backend"] = json.loads(text)
    elif kind == "guest":
        report["micro_guest"].append(make_guest(values))


def read_logs(paths):
    """The report, as far as the logs go."""
    report = {"format": 2, "unit": "instructions", "complete": False,
              "macro": [], "grown": [], "fio": [], "micro_backend": None,
              "micro_guest": []}
    complete = 0
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                if not line.endswith("\n"):
                    break   # the run ended in the middle of it
                found = re.match(r"\[[0-9.]+\] bench: (\w+) ?(.*)", line)
                if found:
                    complete += found.group(1) == "complete"
                    add_line(report, *found.groups())
    report["missing"] = what_is_missing(report)
    report["complete"] = complete == len(paths) and not report["missing"]
    return report


def what_is_missing(report):
    """What the parts that were to be measured have, and this report has not."""
    settings = report.get("set", {})
    wanted = settings.get("points", 0)
    missing = []
    if len(report["macro"]) != wanted:
        missing.append("%d of %d measurements" % (wanted - len(report["macro"]),
                                               wanted))
    parts = settings.get("parts", "micro").split(",")
    if "micro" in parts:
        backend = report["micro_backend"] or {"results": ()}
        found = {r["name"] for r in backend["results"]}
        missing += ["backend: " + name for name in BACKEND
                    if name not in found]
        found = {r["what"] for r in report["micro_guest"]}
        missing += ["guest: " + name for name in GUEST if name not in found]
    found = {entry["axis"] for entry in report["grown"]}
    missing += ["growth: " + name for part in parts
                for name in GROWN.get(part, ()) if name not in found]
    return missing


def add_probed(report, values):
    """Adds what the run with probes counted to the timed run's result."""
    point = find(report, *(values[key] for key in KEYS))
    if point:
        point.update(per_io(values, values["ios"], PROBED))


def make_targets(report):
    """What the project wants, beside what was measured."""
    targets = []
    for size, depth, want in TARGETS:
        for rw in ("randread", "randwrite"):
            ours, theirs, floor = (cost(report, size, rw, depth, 1, who)
                                   for who in ("window", REFERENCE, FLOOR))
            if None in (ours, theirs, floor) or theirs <= floor:
                continue
            ratio = (ours - floor) / (theirs - floor)
            over = round(ours - floor - want * (theirs - floor))
            targets.append({
                "size": size, "rw": rw, "depth": depth, "want": want,
                "added": ours - floor, "reference_added": theirs - floor,
                "ratio": round(ratio, 3), "met": ratio <= want,
                "missed_by": max(over, 0)})
    return targets


def verdict(entry, base, want):
    """Of one overhead; the counts must show that base is what it says."""
    if base["guest_copied_bytes"] or entry["percent"] < -entry["error"] or (
            entry["transport"] == PVH[0] and not entry["copied"]):
        return "INVALID"
    if abs(entry["percent"] - want) <= entry["error"]:
        return "too close to tell"
    return "met" if entry["percent"] <= want else "MISSED"


def make_overheads(report):
    """What each of our transports costs more than the one without grants."""
    wanted = {(size, depth): want for size, depth, want in OVERHEADS}
    overheads = []
    for load in loads_of(report, queues=1):
        base = find(report, *load, BASELINE)
        floor = cost(report, *load, PVH_FLOOR)
        for who in PVH:
            ours = find(report, *load, who)
            if not base or not ours:
                continue
            added = ours["instructions"] - base["instructions"]
            entry = {"size": load[0], "rw": load[1], "depth": load[2],
                     "transport": who, "baseline": base["instructions"],
                     "floor": floor, "added": added,
                     "percent": round(added * 100 / base["instructions"], 1),
                     "error": round(100 * (base["error"] + ours["error"]) /
                                    base["instructions"], 1),
                     "copied": ours["guest_copied_bytes"]}
            want = wanted.get((load[0], load[2]), 100)
            entry["verdict"] = verdict(entry, base, want)
            entry["want"] = want if who == "pvh-auto" and want < 100 else None
            overheads.append(entry)
    return overheads


def cheapest(report, load):
    """Which of our transports costs least for a workload; "-" for none.

    Of those that differ by noise it is the one that comes first in OURS.
    """
    ours = [(cost(report, *load, who), who) for who in OURS]
    ours = [each for each in ours if each[0] is not None]
    if len(ours) < 2:
        return "-"
    limit = min(ours)[0] * (1 + NOISE / 100)
    return next(who for value, who in ours if value <= limit)


def macro_tables(report):
    """Instructions for each I/O, of one and of several queues."""
    text = ""
    for queues in unique(point["queues"] for point in report["macro"]):
        who = unique(point["transport"] for point in report["macro"]
                     if point["queues"] == queues)
        rows = []
        for load in loads_of(report, queues):
            costs = [cost(report, *load, each) for each in who]
            rows.append([load_name(load)] +
                        ["-" if value is None else value for value in costs] +
                        [cheapest(report, load)])
        text += "## Instructions per I/O%s\n\n%s\n" % (
            "" if queues == 1 else
            ", %d queues, threads and vCPUs" % queues,
            table(["workload"] + who + ["cheapest of ours"], rows))
    return text


def count_table(report):
    """What was counted for each I/O."""
    names = [name for name in list(COUNTS) + list(PROBED)
             if any(point.get(name) for point in report["macro"])]
    rows = [[name_of(point), "%.1f" % (100 * point["error"] /
                                       point["instructions"])] +
            [point.get(name, "-") for name in names]
            for point in report["macro"] if point["transport"] != FLOOR]
    if not rows:
        return ""
    return "## Counts per I/O\n\n" + table(
        ["measurement", "+- % of its instructions"] + names, rows)


def fio_table(report):
    """The same as fio says, and what is added to the floor by both."""
    rows = []
    for entry in report["fio"]:
        floor = next((other["instructions"] for other in report["fio"]
                      if (other["rw"], other["transport"]) ==
                      (entry["rw"], FLOOR)), None)
        load = ("4k", entry["rw"], 32, 1)
        ours = [cost(report, *load, who)
                for who in (entry["transport"], FLOOR)]
        if None in ours or floor is None:
            continue
        rows.append(["%(rw)s %(transport)s" % entry, entry["instructions"],
                     ours[0], "%+d" % (entry["instructions"] - floor),
                     "%+d" % (ours[0] - ours[1])])
    if not rows:
        return ""
    return ("## The same by fio: 4 KiB, depth 32\n\n" +
            table(["", "fio", "load.c", "to the floor, fio",
                   "to the floor, load.c"], rows))


def target_table(report):
    """Met, or missed and by how much."""
    rows = [["%(size)s %(rw)s, depth %(depth)s" % target, target["added"],
             target["reference_added"], "%.2f" % target["ratio"],
             "<= %.1f" % target["want"],
             "met" if target["met"]
             else "MISSED by %(missed_by)d instructions" % target]
            for target in report["targets"]]
    if not rows:
        return ""
    return ("## Targets: instructions added to the floor in the guest\n\n" +
            table(["workload", "xen-virtio", REFERENCE, "ratio", "target", ""],
                  rows))


def overhead_table(report):
    """(mode - baseline) / baseline, and what is wanted of auto."""
    rows = []
    for entry in report["overheads"]:
        io = entry["baseline"] - (entry["floor"] or 0)
        rows.append(["%(size)s %(rw)s, depth %(depth)s, %(transport)s" % entry,
                     entry["baseline"], "%+d" % entry["added"],
                     "%+.1f %%" % entry["percent"], "%.1f" % entry["error"],
                     "%+.1f %%" % (entry["added"] * 100 / io)
                     if entry["floor"] and io > 0 else "-",
                     "<= %d %%" % entry["want"] if entry["want"] else "",
                     entry["verdict"] if entry["want"] or
                     entry["verdict"] == "INVALID" else ""])
    if not rows:
        return ""
    return ("## Grant overhead: what is added to the same without grants\n\n" +
            table(["workload", BASELINE, "added", "of it", "+-",
                   "of it without floor", "target", ""], rows))


def markdown(report):
    """All of it, for people."""
    settings = ", ".join("%s %s" % pair for pair in report["set"].items())
    text = ("# What grants cost\n\n" + settings + "\n\n"
            "Instructions of the whole machine (guest, Xen and dom0), counted "
            "by QEMU's -icount; no\ntime of any hardware. docs/performance.md "
            "says what they mean.\n\n")
    if not report["complete"]:
        text += "**Not complete.** Missing: %s\n\n" % (
            ", ".join(report["missing"]) or "the end of the run")
    return text + "\n".join(part for part in (
        target_table(report), overhead_table(report), growth_tables(report),
        crossover_table(report), macro_tables(report), fio_table(report),
        micro_tables(report), count_table(report),
        account.tables(report, table)) if part)


# --- pictures ----------------------------------------------------------------

def draw_macro(report, directory):
    """A cluster of bars for each workload."""
    who = unique(point["transport"] for point in report["macro"])
    loads = [load for load in loads_of(report, queues=1)
             if load[0] != "1m" and load[1].startswith("rand")]
    if not loads:
        return
    lines = ["workload " + " ".join(who)]
    for load in loads:
        lines.append('"%s %s %s" ' % load[:3] + " ".join(
            str(cost(report, *load, each) or "?") for each in who))
    write(directory, "macro.dat", "\n".join(lines) + "\n")
    picture(directory, "macro", "instructions per I/O, whole machine",
            'set style data histograms\nset style fill solid 0.8\n'
            'set datafile missing "?"\nset xtics rotate by -45\n'
            'set yrange [0:*]',
            'for [i=2:%d] "macro.dat" using i:xtic(1) title columnheader(i)'
            % (len(who) + 1))


# --- what changed ------------------------------------------------------------

def costs(report):
    """All costs of a report, by name."""
    found = {name_of(point): point["instructions"]
             for point in report["macro"]}
    for r in (report["micro_backend"] or {"results": ()})["results"]:
        found["backend %(name)s batch %(batch)d size %(size)d" % r] = \
            r["median"]
    for r in report["micro_guest"]:
        found["guest %(mode)s %(what)s size %(size)d holes %(holes)d "
              "batch %(batch)d" % r] = r["pair"]
    for r in report["grown"]:
        found["%(axis)s %(n)d %(rw)s %(transport)s" % r] = r["instructions"]
    found.update(account.costs(report))
    return found


def read_report(path):
    """An earlier report, which may be compressed."""
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as file:
        return json.load(file)


def compare(old, new):
    """The changes, as text."""
    if (old.get("format"), old.get("unit")) != (new["format"], new["unit"]):
        return "The old report has another format or unit.\n"
    old, new = costs(old), costs(new)
    rows = []
    changes = []
    for name in unique(list(new) + list(old)):
        a, b = old.get(name), new.get(name)
        if a is None or b is None:
            rows.append([name] + ["-" if value is None else value
                                  for value in (a, b)] +
                        ["new" if a is None else "gone"])
            continue
        changes.append(abs(b / a - 1) * 100 if a else 100 * bool(b))
        if changes[-1] >= NOISE:
            rows.append([name, a, b, "%+.1f %%" % ((b / a - 1) * 100)
                         if a else "was 0"])
    same = sum(change < NOISE for change in changes)
    little = sum(change < REPEATS for change in changes) - same
    return ("## What changed\n\n" +
            table(["measurement", "old", "new", "change"], rows) +
            "\nOf %d in both %d changed by less than %g %%, %d by %g to %g %%, "
            "%d by more\n" % (len(changes), same, NOISE, little, NOISE,
                              REPEATS, len(changes) - same - little))


def main():
    """See above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--compare", metavar="OLD.json[.gz]")
    parser.add_argument("dir")
    parser.add_argument("log", nargs="+")
    args = parser.parse_args()
    report = read_logs(args.log)
    if "set" not in report or not costs(report):
        print("report.py: nothing was measured", file=sys.stderr)
        return 2
    account.read(report, args.log)
    report["targets"] = make_targets(report)
    report["overheads"] = make_overheads(report)
    report["growth"] = make_growth(report)
    report["crossover"] = make_crossover(report)
    text = markdown(report)
    write(args.dir, "report.json", json.dumps(report, indent=1) + "\n")
    draw_macro(report, args.dir)
    draw_micro(report, args.dir)
    draw_growth(report, args.dir)
    print(target_table(report))
    print(overhead_table(report))
    print(growth_tables(report))
    print(crossover_table(report))
    print(macro_tables(report))
    print(fio_table(report))
    if args.compare:
        changes = compare(read_report(args.compare), report)
        print(changes)
        text += "\n" + changes
    write(args.dir, "report.md", text)
    if not report["complete"]:
        print("NOT COMPLETE, missing: " + (", ".join(report["missing"]) or
                                           "the end of the run"))
    return 0 if report["complete"] else 1


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: GPL-2.0-only
"""What report.py and its parts share: names, and how measurements are found.

All costs are instructions of the whole machine for one operation.
"""

import os

SIZES = {"4k": 4096, "16k": 16384, "64k": 65536, "256k": 262144,
         "1m": 1048576}
OURS = ("window", "auto", "direct-copy", "direct-map", "packed", "packed-auto")
REFERENCE = "blkfront"
FLOOR = "floor"
# One guest has these three; the last without grants.
PVH = ("pvh-window", "pvh-auto")
BASELINE = "pvh-baseline"
PVH_FLOOR = "pvh-floor"
# Changes below this are noise, in percent.
NOISE = 1.0
# What two runs of the same may differ by, in percent.
REPEATS = 3.0
# What identifies a measurement.
KEYS = ("size", "rw", "depth", "queues", "transport")


def unique(values):
    """Without repetitions, in the order of the first ones."""
    return list(dict.fromkeys(values))


def find(report, *key):
    """One measurement by size, rw, depth, queues, transport; or None."""
    for point in report["macro"]:
        if tuple(point[name] for name in KEYS) == key:
            return point
    return None


def cost(report, *key):
    """Instructions of one measurement, or None."""
    point = find(report, *key)
    return point["instructions"] if point else None


def name_of(point):
    """What identifies a measurement, for people and for --compare."""
    queues = "" if point["queues"] == 1 else ", %d queues" % point["queues"]
    return "{size} {rw} depth {depth}{more} {transport}".format(
        more=queues, **point)


def load_name(load):
    """A workload (size, rw, depth, queues), for people."""
    size, rw, depth, queues = load
    return "%s %s, depth %s%s" % (
        size, rw, depth, "" if queues == 1 else ", %d queues" % queues)


def loads_of(report, queues=None):
    """All workloads that were measured, in their order."""
    return unique(tuple(point[name] for name in KEYS[:-1])
                  for point in report["macro"]
                  if queues in (None, point["queues"]))


def table(header, rows):
    """Rows of text as a table of Markdown, which is legible as it is."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [header] + rows)
              for i in range(len(header))]
    lines = [header, ["-" * width for width in widths]] + rows
    return "\n".join("| " + " | ".join(
        cell.rjust(width) if i else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(line, widths))) + " |"
                     for line in lines) + "\n"


def write(directory, name, text):
    """A file of the report."""
    with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
        file.write(text)


HEAD = """set title "{title}"
set ylabel "{ylabel}"
set grid ytics
set key outside right
{more}
"""
BOTH = """set terminal svg size 1000,500
set output "{name}.svg"
plot {plot}
set terminal pngcairo size 1000,500
set output "{name}.png"
plot {plot}
"""


def picture(directory, name, title, more, plot, ylabel="instructions"):
    """A script for gnuplot, which draws a picture twice."""
    write(directory, name + ".gp",
          HEAD.format(title=title, more=more, ylabel=ylabel) +
          BOTH.format(name=name, plot=plot))

# SPDX-License-Identifier: GPL-2.0-only
"""What an operation costs with more of something: a table with a verdict and a
picture for each axis."""

from values import SIZES, find, loads_of, picture, table, unique, write

# Less than this from the first to the last is flat, in percent.
FLAT = 3.0
# Axis, title, and what is counted on it.
AXES = (
    ("depth", "depth: requests in flight", "depth"),
    ("size", "request size: instructions per 4 KiB of it", "KiB"),
    ("queues", "queues, in a guest with 4 vCPUs and 4 threads", "queues"),
    ("vcpus", "vCPUs, each with a queue and a thread", "vCPUs"),
    ("devices", "devices, all of them busy", "devices"),
    ("devices-idle", "devices, one of them busy", "devices"),
    ("guests", "guests, all of them busy", "guests"),
)


def make_grown(values):
    """The result of one measurement of growth."""
    grown = {key: values[key] for key in ("axis", "n", "transport", "size",
                                          "rw", "ios", "overlap")}
    grown["instructions"] = round(values["ns"] / values["timed"], 1)
    grown["error"] = round((values["high"] - values["low"]) / 2, 1)
    return grown


def from_workloads(report):
    """Depth and size grow among the workloads."""
    grown = []
    for load in loads_of(report, queues=1):
        size, rw, depth, _ = load
        for who in unique(p["transport"] for p in report["macro"]):
            point = find(report, *load, who)
            if not point or not rw.startswith("rand"):
                continue
            entry = {"transport": who, "rw": rw, "size": size,
                     "overlap": 100}
            if size == "4k":
                grown.append(dict(entry, axis="depth", n=depth,
                                  instructions=point["instructions"],
                                  error=point["error"]))
            if depth == 32:
                pages = SIZES[size] / 4096
                grown.append(dict(entry, axis="size", n=SIZES[size] // 1024,
                                  instructions=point["instructions"] / pages,
                                  error=point["error"] / pages))
    return grown


def verdict(costs):
    """From the first to the last; and whether it was more between them."""
    change = (costs[-1] / costs[0] - 1) * 100
    peak = (max(costs) / max(costs[0], costs[-1]) - 1) * 100
    if abs(change) < FLAT:
        text = "flat (%+.1f %%)" % change
    else:
        text = "%s by %.1f %%" % ("rising" if change > 0 else "falling",
                                  abs(change))
    if peak >= FLAT:
        text += ", %.1f %% more between" % peak
    return text


def make_growth(report):
    """All series of at least two numbers, each with its verdict."""
    points = from_workloads(report) + report["grown"]
    series = []
    for key in unique((p["axis"], p["transport"], p["rw"]) for p in points):
        found = sorted((p["n"], p["instructions"], p["error"], p["overlap"])
                       for p in points
                       if (p["axis"], p["transport"], p["rw"]) == key)
        if len(found) < 2:
            continue
        costs = [each[1] for each in found]
        series.append({
            "axis": key[0], "transport": key[1], "rw": key[2],
            "n": [each[0] for each in found],
            "instructions": [round(each) for each in costs],
            "error": [round(each[2]) for each in found],
            "overlap": min(each[3] for each in found),
            "change": round((costs[-1] / costs[0] - 1) * 100, 1),
            "verdict": verdict(costs)})
    return series


def of_axis(report, axis):
    """Its series, random reads first."""
    return sorted((s for s in report["growth"] if s["axis"] == axis),
                  key=lambda s: s["rw"])


def growth_tables(report):
    """A table for each axis."""
    text = ""
    for axis, title, what in AXES:
        found = of_axis(report, axis)
        numbers = sorted({n for s in found for n in s["n"]})
        rows = []
        for s in found:
            cells = dict(zip(s["n"], s["instructions"]))
            rows.append(["%(rw)s %(transport)s" % s] +
                        [cells.get(n, "-") for n in numbers] +
                        [s["verdict"] + ("" if s["overlap"] >= 80 else
                                         " (%(overlap)d %% overlap)" % s)])
        if rows:
            text += "\n### By %s\n\n" % title + table(
                [what] + [str(n) for n in numbers] + ["from first to last"],
                rows)
    if text:
        text = ("## Growth: instructions per operation, 4 KiB random\n" +
                text)
    return text


def draw_growth(report, directory):
    """A picture for each axis: random reads as lines, writes dashed."""
    for axis, title, what in AXES:
        plots = []
        for s in of_axis(report, axis):
            name = "growth-%(axis)s-%(transport)s-%(rw)s" % s
            write(directory, name + ".dat", "".join(
                "%d %d\n" % pair for pair in zip(s["n"], s["instructions"])))
            plots.append('"%s.dat" with linespoints dashtype %d title "%s"' % (
                name, 1 if s["rw"] == "randread" else 2,
                "%(transport)s %(rw)s" % s))
        if plots:
            picture(directory, "growth-" + axis, title,
                    'set logscale x 2\nset xlabel "%s"\nset yrange [0:*]'
                    % what, ", ".join(plots), "instructions per operation")

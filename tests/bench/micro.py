# SPDX-License-Identifier: GPL-2.0-only
"""What operations cost by themselves, and from which size another way of handing
over a buffer would be cheaper."""

import math

from values import picture, table, unique, write

# What a whole report has of the operations by themselves.
BACKEND = ("grant-map", "grant-unmap", "grant-copy-from", "grant-copy-to",
           "window-read", "window-write", "event-send", "event-deliver",
           "event-round-trip")
GUEST = ("dma", "place", "seq")
PAGE = 4096
CROSSOVER_SIZES = tuple(PAGE << n for n in range(9))


def make_guest(values):
    """What a mapping costs in the guest, by grant_dma_test.ko."""
    result = {key: values[key] for key in ("mode", "what", "size", "holes")}
    result["batch"] = values.get("batch", 32)
    result["pair"] = round(values["ns"] / values["pairs"])
    for key in ("map", "unmap"):
        if values.get("timed"):
            result[key] = round(values[key + "_ns"] / values["timed"])
    return result


def guest_points(report, mode, what):
    """Cost of a pair by size: in batches of 32, or as near to it as there are."""
    points = {}
    for r in report["micro_guest"]:
        if (r["mode"], r["what"], r["holes"]) != (mode, what, 0):
            continue
        far = abs(math.log2(r["batch"] / 32))
        if r["size"] not in points or far < points[r["size"]][0]:
            points[r["size"]] = (far, r["pair"])
    return {size: pair for size, (_, pair) in points.items()}


def between(points, x):
    """Of measurements, by a line between two of them; None outside."""
    if x in points:
        return points[x]
    below = [each for each in points if each < x]
    above = [each for each in points if each > x]
    if not below or not above:
        return None
    low, high = max(below), min(above)
    return points[low] + (points[high] - points[low]) * (x - low) / (high - low)


def backend_points(report, name):
    """Cost of a call by its pages."""
    backend = report["micro_backend"] or {"results": ()}
    return {r["batch"]: r["median"] for r in backend["results"]
            if r["name"] == name and r["size"] == r["batch"] * PAGE}


def crossover_rows(report):
    """For each size what a buffer costs on both sides, by way: through the window
    it has a place and the guest's copy; directly it has grants, and their copy by
    Xen or their mapping.  What the backend itself does with the bytes is in none.
    A buffer that the device writes in whole is copied once, too; with
    whole-writes=0 twice, which is not in this."""
    rows = []
    for size in CROSSOVER_SIZES:
        pages = size // PAGE
        window, direct = (between(guest_points(report, mode, "dma"), size)
                          for mode in ("window", "direct"))
        copy_from, copy_to, *maps = (
            between(backend_points(report, name), pages)
            for name in ("grant-copy-from", "grant-copy-to", "grant-map",
                         "grant-unmap"))
        if None in (window, direct, copy_from, copy_to, *maps):
            continue
        for rw, copy in (("write", copy_from), ("read", copy_to)):
            rows.append({"rw": rw, "size": size, "window": round(window),
                         "direct_copy": round(direct + copy),
                         "direct_map": round(direct + sum(maps))})
    return rows


def crossover(rows, way, other):
    """The smallest size from which "way" is cheaper than the other, up to the
    largest that was measured; None when there is none."""
    found = None
    for row in reversed(rows):
        if row[way] >= row[other]:
            break
        found = row["size"]
    return found


def make_crossover(report):
    """The sizes, and what they come from."""
    rows = crossover_rows(report)
    if not rows:
        return None
    found = {"rows": rows}
    for rw in ("write", "read"):
        own = [row for row in rows if row["rw"] == rw]
        found[rw] = {
            "direct_copy": crossover(own, "direct_copy", "window"),
            "direct_map": crossover(own, "direct_map", "window"),
            "map_or_copy": crossover(own, "direct_map", "direct_copy")}
    return found


def crossover_table(report):
    """From which size what is cheaper."""
    found = report["crossover"]
    if not found:
        return ""
    text = ("## Crossover: a buffer, both sides, by micro costs\n\n" +
            table(["request, KiB", "window", "direct, copied",
                   "direct, mapped"],
                  [["%s %d" % (row["rw"], row["size"] // 1024), row["window"],
                    row["direct_copy"], row["direct_map"]]
                   for row in found["rows"]]) + "\n")
    for rw in ("write", "read"):
        for key, title, none in (
                ("direct_copy", "grants that are copied, not the window",
                 "the window is cheaper"),
                ("direct_map", "grants that are mapped, not the window",
                 "the window is cheaper"),
                ("map_or_copy", "mapped, not copied", "the copy is cheaper")):
            size = found[rw][key]
            text += "- %s, %s: %s\n" % (
                rw, title, "from %d KiB on" % (size // 1024) if size else
                "none, %s at every size" % none)
    return text


def sweep_tables(report):
    """Batches and sizes of mappings in the guest."""
    text = ""
    for mode, what in unique((r["mode"], r["what"])
                             for r in report["micro_guest"]):
        points = {(r["size"], r["batch"]): r["pair"]
                  for r in report["micro_guest"]
                  if (r["mode"], r["what"], r["holes"]) == (mode, what, 0)}
        batches = sorted({batch for _, batch in points})
        if len(batches) < 3:
            continue
        rows = [[size] + [points.get((size, batch), "-") for batch in batches]
                for size in sorted({size for size, _ in points})]
        text += "\n%s %s, by bytes and buffers of a batch:\n\n" % (
            mode, what) + table(["bytes"] + [str(b) for b in batches], rows)
    return text


def micro_tables(report):
    """What the operations cost by themselves."""
    text = ""
    backend = report["micro_backend"]
    if backend:
        rows = [[r["name"], r["batch"], r["size"],
                 r["median"] // max(r["batch"], 1), r["median"], r["p95"]]
                for r in backend["results"]]
        text += ("## Backend, by xen-virtio-bench: %s\n\n" % backend["unit"] +
                 table(["operation", "batch", "bytes", "each", "median",
                        "p95"], rows))
    rows = [[r["mode"] + " " + r["what"], r["size"], r["holes"],
             r.get("map", "-"), r.get("unmap", "-"), r["pair"]]
            for r in report["micro_guest"] if r["batch"] == 32]
    if rows:
        text += ("\n## Guest, by grant_dma_test.ko: instructions of a mapping"
                 "\n\n" + table(["what", "bytes", "holes", "map", "unmap",
                                 "both"], rows))
    return text + sweep_tables(report)


def draw_micro(report, directory):
    """Cost of a page against the pages of a call; and of buffers by size."""
    backend = report["micro_backend"]
    if backend:
        plots = []
        for name in unique(r["name"] for r in backend["results"] if r["size"]):
            lines = ["%d %d" % (r["batch"], r["median"] / r["batch"])
                     for r in backend["results"]
                     if r["name"] == name and r["size"] == r["batch"] * PAGE]
            write(directory, name + ".dat", "\n".join(lines) + "\n")
            plots.append('"%s.dat" with linespoints title "%s"' % (name, name))
        picture(directory, "micro", "backend: instructions per page",
                'set logscale xy\nset xlabel "pages in one call"',
                ", ".join(plots))
    if report["crossover"]:
        rows = [row for row in report["crossover"]["rows"]
                if row["rw"] == "write"]
        ways = ("window", "direct_copy", "direct_map")
        write(directory, "crossover.dat", "".join(
            "%d %s\n" % (row["size"] // 1024,
                         " ".join(str(row[way]) for way in ways))
            for row in rows))
        picture(directory, "crossover",
                "a buffer that the device reads: guest and backend",
                'set logscale xy\nset xlabel "KiB"', ", ".join(
                    '"crossover.dat" using 1:%d with linespoints title "%s"'
                    % (i + 2, way.replace("_", "-"))
                    for i, way in enumerate(ways)))

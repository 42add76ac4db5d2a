# SPDX-License-Identifier: GPL-2.0-only
"""Whose the instructions of a request are, and what it asks of Xen.

account.sh does the same load for a short while and for a longer one, twice; what
is said of a request is what the longer run took more, divided by the requests
that it did more.  In the lab a ns of Xen's clock is an instruction.

An account is INVALID when its counts cannot be relied on: records of the trace were
lost or are malformed, or the parts of the time are not the whole.
"""

import re

RUNS = [(part, run) for part in ("cpu", "trace") for run in ("short", "long")]
KEY = ("transport", "size", "rw", "depth")
WHO = ("dom0", "guest")
# What the domains and idle may differ from the clock by, which is read between
# two hypercalls: parts of it.
CLOCK_ERROR = 0.002
# What the accounts may differ by from what the load's own clock says in the long run.
LOAD_ERROR = 0.02
# Records before it is known whose they are, as a part of all.
UNKNOWN = 0.02
# Fewer than this in a request are of the programs that begin and end.
LEAST = 0.01
# What programs that begin and end make of a difference of instructions is less than
# a percent of this.
WORTH_COMPARING = 2000
# What is no kind of hypercall.
SUMS = {"traps": "exceptions", "faults": "page faults", "emulated":
        "instructions emulated", "exits": "exits", "switches": "switches to it"}
# What others count, for the same table.
OTHERS = {"notifications": "notifications, both ways",
          "guest_copied_bytes": "guest: bytes copied",
          "backend_copied_bytes": "dom0: bytes copied",
          "grants": "guest: grants issued", "revoked": "guest: grants revoked",
          "backend_maps": "dom0: grants mapped (ours)",
          "backend_unmaps": "dom0: grants unmapped (ours)",
          "backend_grant_copies": "dom0: grant copies (ours)"}


def number(value):
    """An integer, or the text if it is none."""
    return int(value) if re.fullmatch(r"-?[0-9]+", value) else value


def read(report, paths):
    """Adds the accounts of the logs to a report, and what is missing of them."""
    runs = {}
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                found = re.match(r"\[[0-9.]+\] bench: account (.*)\n", line)
                if found:
                    add_run(runs, {name: number(value) for name, _, value in
                                   (word.partition("=")
                                    for word in found.group(1).split())})
    finish(report, runs)
    # Each set has some of the guest with one queue.
    if not runs and "one" in report["set"].get("parts", "one"):
        report["missing"].append("accounts")
    report["complete"] = report["complete"] and not report["missing"]


def add_run(runs, values):
    """One line of the log."""
    key = tuple(values[name] for name in KEY)
    runs.setdefault(key, {})[values["part"], values["run"]] = values


def marginal(runs, part):
    """What a request more takes, by counter."""
    short, long = runs[part, "short"], runs[part, "long"]
    ios = long["ios"] - short["ios"]
    if ios <= 0:
        return None
    skipped = KEY + ("part", "run", "ios", "timed", "ns")
    return {name: (long.get(name, 0) - short.get(name, 0)) / ios
            for name in {**short, **long} if name not in skipped}


def complaints(runs, cpu, trace, load):
    """Why an account means nothing, as text."""
    found = []
    for run in ("short", "long"):
        values = runs["trace", run]
        for name in ("lost", "malformed"):
            if values[name]:
                found.append("%d records %s" % (values[name], name))
    parts = sum(value for name, value in cpu.items()
                if name.startswith("cpu.") and name != "cpu.clock")
    if abs(parts - cpu["cpu.clock"]) > CLOCK_ERROR * cpu["cpu.clock"]:
        found.append("the domains' time is %d of %d" % (parts,
                                                        cpu["cpu.clock"]))
    unknown = sum(value for name, value in trace.items()
                  if name.startswith("unknown.call."))
    total = sum(value for name, value in trace.items() if ".call." in name)
    if abs(unknown) > UNKNOWN * total:
        found.append("%.2f calls of nobody" % unknown)
    busy = sum(cpu["cpu." + who] for who in WHO)
    if abs(busy - load) > LOAD_ERROR * load:
        found.append("%d instructions where the load counts %d" % (busy, load))
    return found


def calls(trace, who):
    """Hypercalls of a domain by kind, with those within multicalls."""
    forms = {"call": "{0}", "part": "{0}, in multicalls",
             "cmd": "{0}, of these {1}", "ops": "{0}, of these {1}: entries"}
    found = {}
    for name, value in trace.items():
        domain, kind, *rest = name.split(".") + [""]
        if domain == who and kind in forms and value >= LEAST:
            found[forms[kind].format(*rest)] = round(value, 3)
    return {name: found[name] for name in sorted(found)}


def make(key, runs):
    """The account of one measurement, or None if a run is missing."""
    if any(each not in runs for each in RUNS):
        return None
    cpu, trace = marginal(runs, "cpu"), marginal(runs, "trace")
    if not cpu or not trace:
        return None
    account = dict(zip(KEY, key))
    account["requests"] = {part: runs[part, "long"]["ios"] -
                                 runs[part, "short"]["ios"]
                           for part in ("cpu", "trace")}
    account["instructions"] = {who: round(cpu["cpu." + who])
                               for who in WHO + ("idle", "other")}
    long = runs["cpu", "long"]
    load = account["load"] = round(long["ns"] / long["timed"])
    account["context_switches"] = {who: round(cpu[who + ".ctxt"], 3)
                                   for who in WHO}
    for name in SUMS:
        account[name] = {who: round(trace.get(who + "." + name, 0), 3)
                         for who in WHO}
    account["switches"]["idle"] = round(trace.get("idle.switches", 0), 3)
    account["hypercalls"] = {who: calls(trace, who) for who in WHO}
    account["invalid"] = complaints(runs, cpu, trace, load)
    return account


def finish(report, runs):
    """Adds "accounting" to the report, in the order of the log."""
    report["accounting"] = []
    for key, each in runs.items():
        account = make(key, each)
        if account:
            point = find(report, key)
            account["measured"] = point and point["instructions"]
            report["accounting"].append(account)
        else:
            report["missing"].append("account of " + " ".join(
                str(word) for word in key))


def find(report, key):
    """The measurement with one queue that an account is about, or None."""
    for point in report["macro"]:
        if (tuple(point[name] for name in KEY) == key and
                point.get("queues", 1) == 1):
            return point
    return None


def costs(report):
    """What --compare compares: each domain's part, where it is more than noise."""
    return {"account %s %s depth %s %s: %s" % (
        account["size"], account["rw"], account["depth"],
        account["transport"], who): account["instructions"][who]
            for account in report.get("accounting", ()) for who in WHO
            if not account["invalid"] and
            account["instructions"][who] >= WORTH_COMPARING}


def domain_row(account):
    """Cells of the first table."""
    shares = account["instructions"]
    return ["%(size)s %(rw)s, depth %(depth)s, %(transport)s" % account,
            shares["guest"], shares["dom0"], shares["idle"] + shares["other"],
            shares["guest"] + shares["dom0"], account["load"],
            account["measured"] or "-",
            "%.3f" % account["context_switches"]["guest"],
            "%.3f" % account["context_switches"]["dom0"],
            "%.3f" % (account["switches"]["guest"] + account["switches"]["dom0"]),
            "INVALID: " + "; ".join(account["invalid"])
            if account["invalid"] else ""]


def rows_of(account, point):
    """What is counted, by name."""
    rows = {}
    for who in WHO:
        for name, value in account["hypercalls"][who].items():
            rows["%s: %s" % (who, name)] = value
        for name, text in SUMS.items():
            if account[name][who] >= LEAST:
                rows["%s: %s" % (who, text)] = account[name][who]
    for name, text in OTHERS.items():
        if point and point.get(name):
            rows[text] = point[name]
    return rows


def load_table(report, accounts, table):
    """All that was counted for one workload, by transport."""
    columns = [rows_of(account, find(report, tuple(account[name]
                                                   for name in KEY)))
               for account in accounts]
    names = sorted({name for column in columns for name in column})
    rows = [[name] + [column.get(name, 0) for column in columns]
            for name in names]
    return table(["each request"] +
                 [account["transport"] + (" INVALID" if account["invalid"]
                                          else "") for account in accounts],
                 rows)


def tables(report, table):
    """For people; table makes one of Markdown."""
    accounts = report.get("accounting", ())
    if not accounts:
        return ""
    text = ("## Whose the instructions are\n\n"
            "What Xen does for a domain is that domain's. *By the load* is what "
            "the load's own clock said\nmeanwhile, *measured* what it said in "
            "the measurement above.\n\n" +
            table(["measurement", "guest", "dom0", "nobody", "sum", "by the load",
                   "measured", "guest: context switches", "dom0", "Xen: switches", ""],
                  [domain_row(account) for account in accounts]))
    loads = {}
    for account in accounts:
        loads.setdefault((account["size"], account["rw"], account["depth"]),
                         []).append(account)
    for load, each in loads.items():
        text += "\n### %s %s, depth %s: what is asked of Xen\n\n" % load
        text += load_table(report, each, table)
    return text

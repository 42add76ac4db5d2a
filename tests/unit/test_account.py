#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What tests/bench/account.py makes of the lines of a log; prints TAP."""

import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "bench"))
import account  # noqa: E402 pylint: disable=wrong-import-position
import tap  # noqa: E402 pylint: disable=wrong-import-position

KEY = {"transport": "window", "size": "4k", "rw": "randread", "depth": 32}


def runs(**changes):
    """Four lines; changes is PART_RUN={NAME: VALUE}."""
    lines = {
        "cpu_short": {"ios": 100, "timed": 50, "ns": 1000000,
                      "guest.ctxt": 50, "dom0.ctxt": 70,
                      "cpu.clock": 9000000, "cpu.idle": 4000000,
                      "cpu.dom0": 2000000, "cpu.guest": 3000000,
                      "cpu.other": 0},
        "cpu_long": {"ios": 1100, "timed": 800, "ns": 19280000,
                     "guest.ctxt": 150, "dom0.ctxt": 170,
                     "cpu.clock": 33000000, "cpu.idle": 4000000,
                     "cpu.dom0": 8000000, "cpu.guest": 21000000,
                     "cpu.other": 0},
        "trace_short": {"ios": 100, "records": 400, "lost": 0, "malformed": 0,
                        "guest.call.iret": 10, "guest.emulated": 5,
                        "dom0.call.grant_table_op": 5, "idle.switches": 3},
        "trace_long": {"ios": 600, "records": 900, "lost": 0, "malformed": 0,
                       "guest.call.iret": 510, "guest.emulated": 2505,
                       "guest.part.mmuext_op": 250,
                       "guest.call.xen_version": 1,
                       "dom0.call.grant_table_op": 1005,
                       "dom0.cmd.grant_table_op.map": 500,
                       "dom0.ops.grant_table_op.map": 4000,
                       "idle.switches": 3, "guest.switches": 50},
    }
    found = {}
    for name, values in lines.items():
        part, run = name.split("_")
        account.add_run(found, dict(KEY, part=part, run=run,
                                    **{**values, **changes.get(name, {})}))
    return found


def report(**changes):
    """A report with one measurement, and the account of it."""
    result = {"missing": [], "macro": [
        dict(KEY, instructions=77, queues=4),
        dict(KEY, instructions=23000, queues=1, notifications=0.0625)]}
    account.finish(result, runs(**changes))
    return result


def one(**changes):
    """That account."""
    return report(**changes)["accounting"][0]


class Account(unittest.TestCase):
    """One test for each thing that is said or refused."""

    def test_request(self):
        """What a request more takes, by domain."""
        found = one()
        self.assertEqual(found["instructions"],
                         {"dom0": 6000, "guest": 18000, "idle": 0, "other": 0})
        self.assertEqual(found["context_switches"], {"dom0": .1, "guest": .1})
        self.assertEqual(found["switches"],
                         {"dom0": 0, "guest": .1, "idle": 0})
        self.assertEqual(found["emulated"]["guest"], 5)
        self.assertEqual(found["requests"], {"cpu": 1000, "trace": 500})
        self.assertEqual(found["invalid"], [])

    def test_hypercalls(self):
        """By kind and command; what is rare is no request's."""
        self.assertEqual(one()["hypercalls"], {
            "guest": {"iret": 1, "mmuext_op, in multicalls": .5},
            "dom0": {"grant_table_op": 2, "grant_table_op, of these map": 1,
                     "grant_table_op, of these map: entries": 8}})

    def test_lost(self):
        """A record lost, in either run."""
        for run in ("trace_short", "trace_long"):
            self.assertEqual(one(**{run: {"lost": 3}})["invalid"],
                             ["3 records lost"])

    def test_malformed(self):
        """The same of records that are none."""
        self.assertEqual(one(trace_long={"malformed": 1})["invalid"],
                         ["1 records malformed"])

    def test_sum(self):
        """Time that nobody had."""
        found = one(cpu_long={"cpu.clock": 33100000})
        self.assertEqual(found["invalid"],
                         ["the domains' time is 24000 of 24100"])
        self.assertEqual(one(cpu_long={"cpu.clock": 33040000})["invalid"], [])

    def test_load(self):
        """The load's clock says otherwise."""
        self.assertIn("where the load counts 24100",
                      one(cpu_long={"cpu.guest": 20000000,
                                    "cpu.idle": 5000000})["invalid"][0])

    def test_unknown(self):
        """Calls before it is known whose they are."""
        found = one(trace_long={"unknown.call.iret": 100})
        self.assertEqual(found["invalid"], ["0.20 calls of nobody"])

    def test_missing(self):
        """A run that is not there, or was no longer than the short one."""
        for run in account.RUNS:
            each = runs()
            del next(iter(each.values()))[run]
            result = {"missing": [], "macro": []}
            account.finish(result, each)
            self.assertEqual(result["accounting"], [])
            self.assertEqual(result["missing"],
                             ["account of window 4k randread 32"])
        result = report(cpu_long={"ios": 100})
        self.assertEqual(result["accounting"], [])
        self.assertEqual(len(result["missing"]), 1)

    def test_read(self):
        """Lines of logs; an end in the middle of one is none."""
        lines = [" ".join(["[1.23] bench: account"] + ["%s=%s" % word for word
                                                       in values.items()])
                 for values in next(iter(runs().values())).values()]
        with tempfile.TemporaryDirectory() as top:
            paths = [os.path.join(top, name) for name in "ab"]

            def read(first, second, parts):
                for path, text in zip(paths, (first, second)):
                    with open(path, "w", encoding="utf-8") as file:
                        file.write(text)
                result = {"missing": [], "complete": True, "macro": [],
                          "set": {"parts": parts}}
                account.read(result, paths)
                return result

            text = "[1.0] bench: point ios=3\n" + "\n".join(lines[:2]) + "\n"
            result = read(text, "\n".join(lines[2:]) + "\n", "micro,one")
            self.assertEqual(result["accounting"][0]["instructions"]["dom0"],
                             6000)
            self.assertTrue(result["complete"])
            result = read(text, "\n".join(lines[2:]), "micro,one")
            self.assertEqual(result["missing"],
                             ["account of window 4k randread 32"])
            self.assertFalse(result["complete"])
            self.assertEqual(read("", "", "one")["missing"], ["accounts"])
            self.assertEqual(read("", "", "four")["missing"], [])

    def test_costs(self):
        """What is compared: what is valid, and more than noise."""
        name = "account 4k randread depth 32 window: "
        self.assertEqual(account.costs(report()),
                         {name + "dom0": 6000, name + "guest": 18000})
        self.assertEqual(account.costs(report(
            cpu_long={"cpu.dom0": 3900000, "cpu.idle": 8100000,
                      "cpu.guest": 25100000, "cpu.clock": 37100000})),
                         {name + "guest": 22100})
        self.assertEqual(account.costs(report(trace_long={"lost": 1})), {})
        self.assertEqual(account.costs({}), {})

    def test_tables(self):
        """For people: a table of all, and one for each workload."""
        def table(header, rows):
            return "\n".join(";".join(str(cell) for cell in row)
                             for row in [header] + rows) + "\n"

        text = account.tables(report(), table)
        self.assertIn("4k randread, depth 32, window;18000;6000;0;24000;24100;"
                      "23000;0.100;0.100;0.100;\n", text)
        self.assertIn("each request;window\n", text)
        self.assertIn("\nguest: iret;1.0\n", text)
        self.assertIn("\nnotifications, both ways;0.0625\n", text)
        text = account.tables(report(trace_long={"lost": 1}), table)
        self.assertIn("INVALID: 1 records lost", text)
        self.assertIn("each request;window INVALID\n", text)
        self.assertEqual(account.tables({"accounting": []}, table), "")


if __name__ == "__main__":
    sys.exit(tap.main(Account))

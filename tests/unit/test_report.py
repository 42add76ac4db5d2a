#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What tests/bench/report.py says of two reports; prints TAP."""

import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "bench"))
import report  # noqa: E402 pylint: disable=wrong-import-position
import tap  # noqa: E402 pylint: disable=wrong-import-position


def made(**costs):
    """A report with these instructions of random 4 KiB reads, by transport."""
    return {"format": 2, "unit": "instructions", "micro_backend": None,
            "micro_guest": [], "grown": [],
            "macro": [{"size": "4k", "rw": "randread", "depth": 32,
                       "queues": 1, "transport": who, "instructions": cost}
                      for who, cost in costs.items()]}


def compared(old, new):
    """The lines about transports, and the last one."""
    lines = report.compare(made(**old), made(**new)).strip().split("\n")
    return [line for line in lines if "depth" in line], lines[-1]


class Compare(unittest.TestCase):
    """Two runs of the same should not differ by more than 3 percent."""

    def test_counts(self):
        """Each figure is in one of three."""
        rows, last = compared(
            {"floor": 10000, "window": 10000, "auto": 10000, "packed": 10000},
            {"floor": 10099, "window": 9850, "auto": 10299, "packed": 10301})
        self.assertEqual(len(rows), 3)
        self.assertIn("-1.5 %", rows[0])
        self.assertEqual(last, "Of 4 in both 1 changed by less than 1 %, "
                         "2 by 1 to 3 %, 1 by more")

    def test_one_of_them(self):
        """What only one has is shown and not counted."""
        rows, last = compared({"floor": 5, "window": 7, "packed": 0},
                              {"floor": 5, "auto": 9})
        self.assertEqual([row.split("|")[-2].strip() for row in rows],
                         ["new", "gone", "gone"])
        self.assertTrue(last.startswith("Of 1 in both 1 changed"))

    def test_zero(self):
        """Nothing is a part of nothing."""
        rows, last = compared({"floor": 0, "window": 0},
                              {"floor": 0, "window": 3})
        self.assertEqual(len(rows), 1)
        self.assertIn("was 0", rows[0])
        self.assertTrue(last.endswith("0 by 1 to 3 %, 1 by more"))

    def test_formats(self):
        """Other figures are not compared."""
        old = made(floor=1)
        old["format"] = 1
        self.assertIn("another format", report.compare(old, made(floor=1)))


if __name__ == "__main__":
    sys.exit(tap.main(Compare))

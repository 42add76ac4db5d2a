# SPDX-License-Identifier: GPL-2.0-only
"""TAP, as the other unit tests have it."""

import unittest


def main(case):
    """Runs a class of tests; returns the exit status."""
    tests = list(unittest.defaultTestLoader.loadTestsFromTestCase(case))
    print("1..%d" % len(tests))
    failed = 0
    for number, test in enumerate(tests, 1):
        result = unittest.TestResult()
        test.run(result)
        for _, text in result.failures + result.errors:
            print("# " + text.replace("\n", "\n# "))
        good = result.wasSuccessful()
        failed += not good
        print("%sok %d - %s" % ("" if good else "not ", number,
                                test.id().split(".")[-1]))
    return 1 if failed else 0

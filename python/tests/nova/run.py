"""Runs tests of Nova, with its own `nova.compute.provider_tree` or with ours in its place.

    run.py [--ours] REPORT MODULE[:WORD] ...

Runs the tests of each module whose names contain the word, all of them if no word is given, one after the
other in the order in which they are loaded. Writes to REPORT, as JSON, what became of each, which file the
module that Nova used is, and how often the forest below ours was called. Succeeds however the tests end.
"""

import faulthandler
import json
import os
import pathlib
import sys
import unittest

# Far more than the tests take, unless one of them waits for ever.
LIMIT_IN_SECONDS = 600


class Outcomes(unittest.TestResult):
    """Keeps for each test what became of it, and why it did not pass."""

    def __init__(self):
        super().__init__()
        self.tests = {}

    def keep(self, test, outcome, reason=''):
        """Keeps an outcome; what did not pass stays so, whatever another test of its name does."""
        kept = self.tests.get(test.id())
        if kept is None or kept['outcome'] == 'passed':
            self.tests[test.id()] = {'outcome': outcome, 'reason': reason}

    def addSuccess(self, test):
        self.keep(test, 'passed')

    def addFailure(self, test, error):
        self.keep(test, 'failed', self._exc_info_to_string(error, test))

    def addError(self, test, error):
        self.addFailure(test, error)

    def addSubTest(self, test, part, error):
        if error is not None:
            self.addFailure(test, error)

    def addSkip(self, test, reason):
        self.keep(test, 'skipped', reason)

    def addExpectedFailure(self, test, error):
        self.keep(test, 'passed')

    def addUnexpectedSuccess(self, test):
        self.keep(test, 'failed', 'it passed, which it should not')


def load(selection):
    """Returns the tests of a module whose names contain a word."""
    module, _, word = selection.partition(':')
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f'*.test*{word}*'] if word else None
    return loader.loadTestsFromName(module)


def link_configuration():
    """Puts Nova's configuration files where its tests of whole services look for them."""
    import nova

    link = pathlib.Path(nova.__file__).parents[1] / 'etc' / 'nova'
    link.parent.mkdir(exist_ok=True)
    try:
        link.symlink_to(pathlib.Path(sys.prefix, 'etc', 'nova'), target_is_directory=True)
    except FileExistsError:
        pass


def main(arguments):
    faulthandler.dump_traceback_later(LIMIT_IN_SECONDS, exit=True)
    ours = arguments[0] == '--ours'
    report, *selections = arguments[1:] if ours else arguments
    if ours:
        import provider_tree.nova

        provider_tree.nova.substitute()
    link_configuration()
    tests = unittest.TestSuite(load(selection) for selection in selections)
    outcomes = Outcomes()
    tests.run(outcomes)
    # As Nova finds it, and after the tests.
    from nova.compute import provider_tree as used

    result = {
        'file': used.__file__,
        'calls': provider_tree.nova.calls() if ours else {},
        'tests': outcomes.tests,
    }
    pathlib.Path(report).write_text(json.dumps(result, indent=1))
    # Without waiting for threads that the tests have left behind.
    sys.stdout.flush()
    os._exit(0)


if __name__ == '__main__':
    main(sys.argv[1:])

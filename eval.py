"""Measures finished runs again, as `mfrec eval` does; see --help and mfrec/cli/evaluate.py."""

import sys

from mfrec.cli.evaluate import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))

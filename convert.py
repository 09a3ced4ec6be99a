"""Converts ratings to shards, as `mfrec convert` does; see --help and mfrec/cli/convert.py."""

import sys

from mfrec.cli.convert import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))

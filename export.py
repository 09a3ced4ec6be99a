"""Exports a trained model, as `mfrec export` does; see --help and mfrec/cli/export.py."""

import sys

from mfrec.cli.export import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))

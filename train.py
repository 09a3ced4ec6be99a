"""Trains and measures a model, as `mfrec train` does; see --help and mfrec/cli/train.py."""

import sys

from mfrec.cli.train import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))

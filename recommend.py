"""Recommends items to users, as `mfrec recommend` does; see mfrec/cli/recommend.py."""

import sys

from mfrec.cli.recommend import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))

"""The command line: flags, tables, answers."""

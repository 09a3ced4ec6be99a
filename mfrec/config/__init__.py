"""Settings: what can be set, recipes, precedence, and defaults derived from the data.

settings    every setting, as frozen data classes
presets     recipes for published benchmarks
resolution  flag > --config > --preset > default
defaults    what a setting becomes if nobody gives it
parsing     settings that hold several values in one text
"""

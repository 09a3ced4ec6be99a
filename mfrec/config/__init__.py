"""Settings: what can be set, recipes, what a setting becomes that nobody set."""

"""The settings: their types, their values, and those in force."""

"""Jenkins: its REST API, and what a build says there."""

"""The routes: reports, health, and previews."""

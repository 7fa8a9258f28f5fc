"""The HTTP service: the app, its routes, and the limits of a connection."""

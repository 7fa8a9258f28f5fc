"""A Jenkins controller's stand-in, as real as it can be without a Jenkins."""

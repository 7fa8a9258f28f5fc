"""What a reader wants to know of a build, as far as it follows from the build's report alone."""

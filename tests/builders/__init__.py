"""What several tests build, send and read."""

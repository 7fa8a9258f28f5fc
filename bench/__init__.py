"""`python -m bench`: what the service costs, beside something of its kind on the same machine."""

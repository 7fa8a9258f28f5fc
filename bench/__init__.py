"""`python -m bench`: the service's cost, compared with something similar on the same machine."""

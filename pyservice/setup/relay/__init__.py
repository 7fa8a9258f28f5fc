"""The node's Postfix as a relay for its containers: planned, applied, tested and taken back."""

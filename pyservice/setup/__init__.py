"""What makes node and Jenkins agree on where the node's Postfix is."""

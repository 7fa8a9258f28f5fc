"""What is good or bad about a mail for those who get it, found in its bytes alone."""

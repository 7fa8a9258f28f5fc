"""The doctor: the path of a mail, step by step, and what is wrong with it."""

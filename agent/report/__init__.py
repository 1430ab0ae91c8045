"""A run in one file to send around: what happened in words, then as pictures and tables."""

"""What the programs are told: the user's settings, and the files that each program reads."""

"""What this machine knows of a run: its processes, GPUs, and the scheduler's job. Read only, and bounded in time."""

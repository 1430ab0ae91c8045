"""CPU, memory, disk, network and GPUs of the machine, beside its runs."""

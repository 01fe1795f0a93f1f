"""What this machine has for the work: GPUs, drivers, PyTorch and its companions, disks; and what is wrong with them."""

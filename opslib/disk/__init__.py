"""What takes how much of the disks, and what each retention would free."""

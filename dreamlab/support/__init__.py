"""What the method leans on and no chapter derives: files, weights, memory, console, devices."""

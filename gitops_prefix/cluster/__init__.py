"""The cluster. `kubernetes` is imported here and nowhere else, and never in the daemon's process."""

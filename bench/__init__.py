"""Speed and memory, each against a peer or a floor in the same run."""

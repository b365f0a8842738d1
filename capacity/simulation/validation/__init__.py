"""Does the simulation give what theory and other people's published results say? `make validate` prints the answer."""

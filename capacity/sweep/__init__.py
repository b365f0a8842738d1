"""Many simulations of plan folders: scenarios times seeds, on this machine or on a cluster, resumable."""

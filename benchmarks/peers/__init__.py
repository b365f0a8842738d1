"""The same workload on our engines and on other people's simulators, side by side."""

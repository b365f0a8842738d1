"""WHAT LICENCES: rules as dated data, the hosts a VM can reach, counts over time."""

"""The use case `plan`: level the load, place the VMs, write a checked folder."""

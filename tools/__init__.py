"""Build the Pulumi engine, its Python host and the libvirt provider.

Standard library only: this runs before .venv is whole.
"""

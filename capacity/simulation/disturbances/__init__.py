"""What goes otherwise than planned, one module per disturbance.

Pure functions: from planned columns, uniform draws given as arrays, and a record of the estate to changed columns,
relocations or online load. Who draws the numbers decides what is repeated and what is compared.
"""

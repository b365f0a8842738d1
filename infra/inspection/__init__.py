"""What the hosts really run, what Pulumi's records say, and where either differs from the plan."""

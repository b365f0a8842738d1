"""The Pulumi program that builds what a plan folder says, and the command that runs its stacks in order."""

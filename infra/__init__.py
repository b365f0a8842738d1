"""The Pulumi program: builds exactly the plan folder, and refuses a folder it must not build."""

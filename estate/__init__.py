"""WHAT EXISTS: the estate file as frozen, validated records. The only room that reads YAML."""

"""THE CONTRACT: records of a plan folder, its reader and writer, and the independent checkers."""

"""The entropy model in integers (FORMAT.md): one arithmetic, several engines."""

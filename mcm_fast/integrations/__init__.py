"""One small module for each host program, imported only by who asks for it."""

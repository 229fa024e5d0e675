"""The command line. What a command needs is loaded inside it, so that `regard --help` answers at once."""

"""The command line: the only package that knows of arguments, terminals and files."""

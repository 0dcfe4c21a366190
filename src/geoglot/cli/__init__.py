"""Command line: parse, call the api, show. One command, one file."""

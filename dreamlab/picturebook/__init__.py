"""The picture-book world and the CLIPs trained on it."""

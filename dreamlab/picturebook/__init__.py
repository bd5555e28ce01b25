"""The picture-book world and the CLIPs trained on it.

`world` says what a scene can hold, `draw` draws it, in one of many `styles`, `models` holds the
embedded CLIPs, and `probe` has the drawings that test whether a CLIP knows objects by their shape.
The programs that train the CLIPs, measure them and draw sheets are in `tools/picturebook/`.
"""

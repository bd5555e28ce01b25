"""The picture-book world and the CLIPs trained on it.

`world` says what a scene can hold, `draw` paints it, `models` holds the two embedded CLIPs, and
`probe` has the pictures that tell an eye for shape from one for colours. The programs that train
the CLIPs, measure them and draw sheets are in `tools/picturebook/`.
"""

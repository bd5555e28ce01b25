"""The picture-book world and the CLIPs trained on it.

`world` says what a scene can hold, `draw` paints it, `train` makes the two embedded CLIPs, `score`
measures them, and `probe` has the pictures that tell an eye for shape from one for colours.
`python -m dreamlab.picturebook` draws a contact sheet.
"""

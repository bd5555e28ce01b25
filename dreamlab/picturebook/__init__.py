"""The picture-book world and the CLIPs trained on it.

`world` says what a scene can hold, `draw` paints it, `train` makes the two embedded CLIPs, `score`
measures them, also by `probe`: do they see shape? `python -m dreamlab.picturebook` draws a contact sheet.
"""

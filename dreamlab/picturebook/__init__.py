"""The picture-book world (`world`, drawn by `draw` in one of the `styles`) and the CLIPs trained on
it (`models`); `probe` tests whether a CLIP knows objects by their shape."""

"""What only chapters and classes need: checks of exercises, of the computer, and the wall."""

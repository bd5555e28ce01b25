"""What only chapters and classes need: checks of exercises and of computers."""

"""The live panel: a dream with controls that act while it runs."""

"""What a second CLIP thinks of the pictures, over many dreams at once, and how fast a step is."""

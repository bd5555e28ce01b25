"""What a second CLIP thinks of the pictures, over many dreams at once."""

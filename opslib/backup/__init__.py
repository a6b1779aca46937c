"""What is saved of a lake, how it is kept, and how it comes back."""

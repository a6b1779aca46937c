"""What is answered to whoever asks, for the pages and for JSON alike."""

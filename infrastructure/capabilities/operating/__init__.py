"""What operators and monitors look at."""

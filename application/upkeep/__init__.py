"""What is done beside requests: what is over is ended, what was left is finished, what is stored gets a digest."""

"""What is done beside requests: what is over is ended, what a crash left is finished."""

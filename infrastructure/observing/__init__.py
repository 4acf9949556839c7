"""What is told of a running process: its access log, its own figures."""

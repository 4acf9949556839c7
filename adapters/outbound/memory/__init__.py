"""The ports in this process's memory, for tests and for embedding; nothing survives the process."""

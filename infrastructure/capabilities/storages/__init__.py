"""Each kind of storage, a file each: what it is made of, how it starts, what its STORAGE_URL looks like."""

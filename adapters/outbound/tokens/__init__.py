"""What vouches for who may do what: signatures."""

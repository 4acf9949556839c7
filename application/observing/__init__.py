"""What goes on: ports that are measured, what whoever watches over a server asks, and whose traces it belongs to."""

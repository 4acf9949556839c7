"""What goes on, in figures: ports that are measured, and what whoever watches over a server asks."""

"""Instructions, their details and products: ``/instructions``, ``/products``, ``/files``. Start with
``instructions.py``."""

"""What browsers see: one module for each topic, and `page`, which renders all of them."""

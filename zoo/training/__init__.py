"""Training: recipes, data, the loop, evaluation."""

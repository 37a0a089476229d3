"""What every stage's training shares: recipes, the loop, checkpoints, strip packs and model cards."""

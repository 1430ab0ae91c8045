"""What a run's store holds, in the forms that other programs read."""

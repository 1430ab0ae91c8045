"""`rli-agent rollouts`: what the model wrote, found in the run's rollout files."""

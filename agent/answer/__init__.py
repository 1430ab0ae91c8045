"""What is known of a run at a moment, from its store: facts and their judgement. Reporters put it into form."""

"""`rli-agent rules new`: a first rule pack from a log, for its author to go on with."""

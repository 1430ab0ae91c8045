"""Settings: a command's options, also from the environment and from files, each with where its value came from."""

"""What a bug report needs of a run, packed into one file, without what nobody else may see."""

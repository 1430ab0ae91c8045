"""Records of rollouts to statistics: only the fields that a rule pack names are decoded."""

"""A Report in a form to be looked at: on a terminal, as Markdown. None of them finds anything out."""

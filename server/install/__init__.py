"""How the programs come here: which release, from where, checked how, unpacked where."""

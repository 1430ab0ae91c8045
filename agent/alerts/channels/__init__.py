"""The ways to people: each module is one kind of channel, and knows its receiver's form and limits."""

"""Files of metrics beside the console: TensorBoard's event files, W&B's local files, the Trainer's own history.

Each module has the framing (where the next whole record ends) and the parser of one kind of file.
"""

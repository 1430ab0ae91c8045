"""The page: its files, the questions that it asks, and who may ask them. Imported when somebody asks."""

"""The running stack: started in order, watched, restarted, stopped, and asked how it is."""

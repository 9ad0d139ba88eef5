"""The worker process: one main loop, and a thread for each duty."""

"""This computer: whole files, the user's own folder, memory, threads, a user's own modules."""

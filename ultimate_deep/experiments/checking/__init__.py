"""The contracts that everything of a user's own is held to, and who checks them."""

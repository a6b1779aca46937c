"""Who may look: users and their roles, logging in, browsers that are known, what is a user's own."""

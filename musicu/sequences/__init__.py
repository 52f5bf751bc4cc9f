"""What comes next in a session: plays in order, rules, and a model that adds to them."""

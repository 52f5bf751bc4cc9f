"""Who listened to what: interactions, and what is learned from them."""

"""The HTTP service and its page; the extra ``musicu[serve]``."""

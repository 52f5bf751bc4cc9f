"""The OpenSubsonic API."""

"""What becomes HTML or SVG."""

"""Items and their vectors: metadata fields and audio, encoded and fused into one dot product."""

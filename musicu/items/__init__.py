"""Items and their vectors: metadata fields and audio as blocks, fused into one dot product."""

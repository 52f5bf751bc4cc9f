"""Files in; samples, spectra, low-level descriptors out."""

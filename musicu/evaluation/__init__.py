"""How good encoders, recommendations and experiments are: measures, intervals, significance."""

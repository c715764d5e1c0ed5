"""EDM diffusion models: network, training, sampling and real sample reconstruction."""

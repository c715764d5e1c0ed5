"""StyleGAN3, the generative adversarial rival of Table 1: generator, discriminator and released checkpoints."""

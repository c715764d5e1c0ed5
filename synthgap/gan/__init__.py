"""StyleGAN3: networks, adversarial training with adaptive augmentation, sampling, signs of collapse."""

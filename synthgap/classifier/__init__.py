"""ResNet-18 classifiers trained on real images, synthetic images, or both."""

"""What a study compares: presets, options, sizes and arms."""

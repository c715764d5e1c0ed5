"""Files of released models, read as inert values and made into models of ours."""

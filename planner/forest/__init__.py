"""The forest: what the image events add up to, and the laws that its facts must meet."""

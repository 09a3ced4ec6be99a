"""Models: whatever scores users and items."""

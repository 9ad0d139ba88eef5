"""What differs between databases, in one place; nothing above this package names a vendor."""

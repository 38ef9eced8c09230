"""The tree that keeps every actor running, and the keeper that keeps the tree's processes."""

"""What devices see, matched while you look."""

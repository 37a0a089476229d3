"""The known chromosomes that look most like a given one, for a person who doubts a label."""

"""The same job by others, each as its users would write it: per merchant and minute, count and sum."""

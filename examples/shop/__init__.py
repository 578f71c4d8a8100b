"""A shop's handlers for Taskyard: the worked example."""

"""What Taskyard asks of Kubernetes itself: to remove idle workers first, and to keep generated passwords."""

"""What is raised where a worker does not survive its task."""


class WorkerDiedError(ChildProcessError):
    """A task's worker died twice, the second time with no other task beside it."""

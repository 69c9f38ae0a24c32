"""What runs: one Prefect flow a file, the `raptorflow` command, the platform."""

from flows.tracing import begin_tracing
from tasks.memory import let_memory_go

let_memory_go()
begin_tracing()

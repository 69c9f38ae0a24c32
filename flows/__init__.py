"""What runs: one Prefect flow a file, the `raptorflow` command, the platform."""

from flows.memory import let_memory_go
from flows.tracing import begin_tracing

let_memory_go()
begin_tracing()

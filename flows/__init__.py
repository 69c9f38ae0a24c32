"""What runs: one Prefect flow a file, the `raptorflow` command, the platform."""

from flows.tracing import begin_tracing

begin_tracing()

"""What makes a workspace's content win or lose."""

from tasks.patterns.performance_analyzer import PerformanceAnalyzer
from tasks.patterns.recommendations import Recommendations

__all__ = ["PerformanceAnalyzer", "Recommendations"]

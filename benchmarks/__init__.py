"""How fast Longshore is beside its peers. Start at ``__main__``; what it means: docs/performance.md."""

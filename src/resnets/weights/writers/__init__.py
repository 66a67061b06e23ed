"""Writers: a model in another codebase's names, layout and file."""

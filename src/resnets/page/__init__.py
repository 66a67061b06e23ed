"""What people look at: drawings, plots and pages."""

"""The table of steps: one entry a rule of the workflow, by the part of the run that they belong to."""

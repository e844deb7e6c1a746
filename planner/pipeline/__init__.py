"""The pipeline: from a source to a proved plan and an artefact."""

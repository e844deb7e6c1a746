"""What an image holds, for people and programs: a document of its processes and all that they have open."""

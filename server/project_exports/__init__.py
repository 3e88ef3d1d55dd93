"""All conversations of a project, to take away: as a table, as a spreadsheet, and each as a document.

Pure and streaming: records come in one after another, and none is held longer than it takes to write it.
"""
